"""The tables of display sizes and of runs over existing images, each statement inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.messages import RenderImage
from heliograph_common.db import locks, statements
from heliograph_common.db.display_size_models import DisplaySize, DisplaySizeCommand, DisplaySizeRun
from heliograph_common.db.image_models import Image
from heliograph_common.db.locks import Lock
from heliograph_common.db.work_models import Work
from heliograph_common.ids import new_id
from heliograph_gateway.display_sizes.schemas import Size


async def lock_sizes(connection: AsyncConnection) -> None:
    """One writer at a time; readers go on."""
    await connection.execute(text("LOCK TABLE display_sizes IN SHARE ROW EXCLUSIVE MODE"))


async def replace_sizes(connection: AsyncConnection, wanted: Sequence[Size]) -> None:
    """Writes the sizes. One that stays as it is keeps the time since when pictures must have it (``checks.images``)."""
    fields = list(Size.model_fields)
    present = await statements.display_sizes(connection)
    since = {tuple(getattr(row, field) for field in fields): row.changed_at for row in present}
    now = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    rows = [
        {**size.model_dump(), "position": position, "changed_at": since.get(tuple(size.model_dump().values()), now)}
        for position, size in enumerate(wanted)
    ]
    await connection.execute(delete(DisplaySize))
    await connection.execute(insert(DisplaySize), rows)


async def begin_run(connection: AsyncConnection) -> None:
    """Begins a run in place of the one that may be running."""
    await locks.hold(connection, Lock.DISPLAY_SIZES)
    running = update(DisplaySizeRun).where(DisplaySizeRun.state == "running")
    await connection.execute(running.values(state="superseded", finished_at=func.now()))
    await connection.execute(delete(DisplaySizeCommand))
    live = select(Image.id).where(Image.deleted_at.is_(None))
    total = select(func.count()).select_from(live.subquery()).scalar_subquery()
    last = live.order_by(Image.id.desc()).limit(1).scalar_subquery()
    await connection.execute(insert(DisplaySizeRun).values(id=new_id(), total=total, last=last))


async def newest_run(connection: AsyncConnection) -> Any | None:
    """The newest run, whatever its state."""
    newest = select(DisplaySizeRun.__table__).order_by(DisplaySizeRun.id.desc()).limit(1)
    return (await connection.execute(newest)).one_or_none()


async def running_run(connection: AsyncConnection) -> Any | None:
    """The run that is going on."""
    statement = select(DisplaySizeRun.__table__).where(DisplaySizeRun.state == "running")
    return (await connection.execute(statement)).one_or_none()


async def change_run(
    connection: AsyncConnection, run_id: UUID, changes: dict[str, Any], *, ended: bool = False
) -> None:
    """Notes how far a run is; with ``ended`` it is complete."""
    if ended:
        changes = changes | {"state": "complete", "finished_at": func.now()}
    await connection.execute(update(DisplaySizeRun).where(DisplaySizeRun.id == run_id).values(changes))


async def strike_off_finished(connection: AsyncConnection) -> None:
    """Forgets commands whose work has ended, however it did."""
    unfinished = select(Work.target).where(Work.kind == RenderImage.kind, Work.target == DisplaySizeCommand.image_id)
    await connection.execute(delete(DisplaySizeCommand).where(~unfinished.exists()))


async def waiting_commands(connection: AsyncConnection) -> int:
    """How many commands of the run are not handled."""
    return int((await connection.execute(select(func.count()).select_from(DisplaySizeCommand))).scalar_one())


async def next_images(connection: AsyncConnection, run: Any, limit: int) -> Sequence[Any]:
    """The images behind the position of ``run``: id, owner, processing_status."""
    statement = select(Image.id, Image.owner, Image.processing_status).where(
        Image.deleted_at.is_(None), Image.id <= run.last
    )
    if run.position is not None:
        statement = statement.where(Image.id > run.position)
    return (await connection.execute(statement.order_by(Image.id).limit(limit))).all()


async def note_commands(connection: AsyncConnection, run_id: UUID, images: Sequence[Any]) -> None:
    """Notes that these images were sent to be rendered."""
    rows = [{"message_id": new_id(), "run_id": run_id, "image_id": image.id, "owner": image.owner} for image in images]
    await connection.execute(insert(DisplaySizeCommand), rows)
