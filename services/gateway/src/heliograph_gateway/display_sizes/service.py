"""Renders the images that there are in new display sizes, on request: a pass over all owners' images, a few at a time.

``routes/display_sizes.py`` starts a run and tells of its progress; ``bootstrap`` has ``SizeRuns.advance`` called again and
again, in every replica: one acts at a time. Commands have low priority and at most ``waiting`` of them are in the queue, so
that uploads overtake them all. A picture is done when it has no work left, however that ended. Images keep
their renditions, and stay readable, until the new ones are there; renditions in sizes that are no longer wanted stay.
Images that have not begun to render get the present sizes anyway; failed ones get them when they are retried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.clock import rfc3339
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import locks
from heliograph_common.db.display_size_models import DisplaySizeCommand, DisplaySizeRun
from heliograph_common.db.image_models import Image
from heliograph_common.db.locks import Lock
from heliograph_common.db.work_models import Work
from heliograph_common.ids import new_id
from heliograph_common.messaging.transaction import Messenger, Transaction

log = structlog.get_logger(__name__)


class SizeRuns:
    """``waiting``: the most commands of a run that may wait to be handled."""

    def __init__(self, messenger: Messenger, *, waiting: int) -> None:
        self._messenger = messenger
        self._waiting = waiting

    async def advance(self) -> None:
        """Sends as many commands as others have been handled; ends the run when all have.

        Raises:
            DatabaseUnavailable: nothing was done.
        """
        async with self._messenger.transaction() as transaction:
            connection = transaction.connection
            if not await locks.try_hold(connection, Lock.DISPLAY_SIZES):
                return
            run = (
                await connection.execute(select(DisplaySizeRun.__table__).where(DisplaySizeRun.state == "running"))
            ).one_or_none()
            if run is None:
                return
            await _strike_off(connection)
            room = self._waiting - await _waiting(connection)
            seen = await _next_images(connection, run, room) if room > 0 and run.last is not None else []
            chosen = [image for image in seen if image.processing_status in {"complete", "processing"}]
            await _send(transaction, run.id, chosen)
            changes: dict[str, Any] = {"seen": run.seen + len(seen), "queued": run.queued + len(chosen)}
            if seen:
                changes["position"] = seen[-1].id
            elif room == self._waiting:
                changes |= {"state": "complete", "finished_at": func.now()}
                log.info("all images have the present display sizes", images=run.seen, rendered=run.queued)
            await connection.execute(update(DisplaySizeRun).where(DisplaySizeRun.id == run.id).values(changes))


async def start(connection: AsyncConnection) -> dict[str, Any]:
    """Begins a run in place of the one that may be running, and returns its progress."""
    await locks.hold(connection, Lock.DISPLAY_SIZES)
    running = update(DisplaySizeRun).where(DisplaySizeRun.state == "running")
    await connection.execute(running.values(state="superseded", finished_at=func.now()))
    await connection.execute(delete(DisplaySizeCommand))
    live = select(Image.id).where(Image.deleted_at.is_(None))
    total = select(func.count()).select_from(live.subquery()).scalar_subquery()
    last = live.order_by(Image.id.desc()).limit(1).scalar_subquery()
    await connection.execute(insert(DisplaySizeRun).values(id=new_id(), total=total, last=last))
    begun = await progress(connection)
    assert begun is not None  # noqa: S101 - it was inserted here
    return begun


async def progress(connection: AsyncConnection) -> dict[str, Any] | None:
    """The newest run as clients see it; ``None`` when there never was one."""
    newest = select(DisplaySizeRun.__table__).order_by(DisplaySizeRun.id.desc()).limit(1)
    run = (await connection.execute(newest)).one_or_none()
    if run is None:
        return None
    waiting = await _waiting(connection)
    complete = run.state == "complete"
    return {
        "id": str(run.id),
        "state": run.state,
        "total": run.total,
        "queued": run.queued,
        "waiting": waiting,
        "done": run.queued - waiting,
        "progress": 100 if complete else min(99, 100 * (run.seen - waiting) // max(1, run.total)),
        "started_at": rfc3339(run.started_at),
        "finished_at": None if run.finished_at is None else rfc3339(run.finished_at),
    }


async def _strike_off(connection: AsyncConnection) -> None:
    unfinished = select(Work.target).where(Work.kind == RenderImage.kind, Work.target == DisplaySizeCommand.image_id)
    await connection.execute(delete(DisplaySizeCommand).where(~unfinished.exists()))


async def _waiting(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(DisplaySizeCommand))).scalar_one())


async def _next_images(connection: AsyncConnection, run: Any, limit: int) -> Sequence[Any]:
    statement = select(Image.id, Image.owner, Image.processing_status).where(
        Image.deleted_at.is_(None), Image.id <= run.last
    )
    if run.position is not None:
        statement = statement.where(Image.id > run.position)
    return (await connection.execute(statement.order_by(Image.id).limit(limit))).all()


async def _send(transaction: Transaction, run_id: Any, images: Sequence[Any]) -> None:
    if not images:
        return
    subject = subjects.render(Priority.LOW)
    await transaction.request_all([(subject, RenderImage(image_id=image.id), image.owner) for image in images])
    rows = [{"message_id": new_id(), "run_id": run_id, "image_id": image.id, "owner": image.owner} for image in images]
    await transaction.connection.execute(insert(DisplaySizeCommand), rows)
