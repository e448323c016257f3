"""The rows of resumable uploads: each statement inside its caller's transaction.

Nothing is locked between requests. Whoever changes an upload names what it looked like when the work began; when it looks
otherwise by then, or is over, the change does not happen, and the statement says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Update, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.statements import ImageRow
from heliograph_common.db.upload_models import TusPart, TusUpload
from heliograph_common.errors import Stale

TusRow = Row[Any]
"""A row of ``tus_uploads`` with ``expired`` and ``parts``, how many parts are stored."""

_EXPIRED = TusUpload.expires_at <= func.now()
_PARTS = select(func.count()).where(TusPart.upload_id == TusUpload.id).correlate(TusUpload).scalar_subquery()
_WITH_MORE = (*TusUpload.__table__.columns, _EXPIRED.label("expired"), _PARTS.label("parts"))


async def find(connection: AsyncConnection, ids: Sequence[UUID], owner: str) -> dict[UUID, TusRow]:
    """The owner's uploads among ``ids``, by id."""
    statement = select(*_WITH_MORE).where(TusUpload.id.in_(ids), TusUpload.owner == owner)
    return {row.id: row for row in (await connection.execute(statement)).all()}


async def create(connection: AsyncConnection, values: dict[str, Any], keep: timedelta) -> TusRow:
    """A new upload, which expires after ``keep``."""
    await connection.execute(insert(TusUpload).values(**values, expires_at=func.now() + keep))
    return (await find(connection, [values["id"]], values["owner"]))[values["id"]]


async def parts(connection: AsyncConnection, upload_id: UUID) -> Sequence[Row[str, int]]:
    """The parts of an upload (``key`` and ``bytes``), in their order."""
    statement = select(TusPart.key, TusPart.bytes).where(TusPart.upload_id == upload_id).order_by(TusPart.position)
    return (await connection.execute(statement)).all()


async def advance(
    connection: AsyncConnection, row: TusRow, size: int, key: str | None, *, length: int | None, keep: timedelta
) -> datetime | None:
    """Adds ``size`` bytes, which are in the object ``key``. Returns when the upload expires; ``None``: it has changed."""
    changed = {"position": row.position + size, "length": length, "expires_at": func.now() + keep}
    statement = _as_seen(row).values(changed).returning(TusUpload.expires_at)
    expires_at: datetime | None = (await connection.execute(statement)).scalar_one_or_none()
    if expires_at is not None and key is not None:
        await connection.execute(insert(TusPart).values(upload_id=row.id, position=row.position, bytes=size, key=key))
    return expires_at


async def complete(row: TusRow, length: int, keep: timedelta, connection: AsyncConnection, image: ImageRow) -> None:
    """The upload is the image.

    Raises:
        Stale: it has changed.
    """
    values = {"state": "complete", "position": length, "length": length, "image_id": image.id}
    if not await _conclude(connection, row, values | {"expires_at": func.now() + keep}):
        raise Stale(f"upload {row.id} has changed meanwhile")


async def create_complete(
    values: dict[str, Any], keep: timedelta, connection: AsyncConnection, image: ImageRow
) -> None:
    """A new upload that is the image already."""
    ended = {"state": "complete", "position": values["length"], "image_id": image.id}
    await connection.execute(insert(TusUpload).values(**values, **ended, expires_at=func.now() + keep))


async def refuse(connection: AsyncConnection, row: TusRow, problem: dict[str, Any], *, keep: timedelta) -> bool:
    """The upload is no picture that is taken; ``False``: it has changed."""
    return await _conclude(connection, row, {"state": "refused", "problem": problem, "expires_at": func.now() + keep})


async def end(connection: AsyncConnection, upload_id: UUID) -> None:
    """Nothing more is added to the upload, whatever it looks like; it is as good as collected."""
    ended = update(TusUpload).where(TusUpload.id == upload_id, ~_EXPIRED).values(expires_at=func.now())
    await connection.execute(ended)


async def forget(connection: AsyncConnection, upload_id: UUID) -> None:
    """Deletes the row of an upload that has ended, after its objects."""
    await connection.execute(delete(TusUpload).where(TusUpload.id == upload_id, _EXPIRED))


def _as_seen(row: TusRow) -> Update:
    return update(TusUpload).where(
        TusUpload.id == row.id,
        TusUpload.state == "open",
        TusUpload.position == row.position,
        TusUpload.length.is_not_distinct_from(row.length),
        ~_EXPIRED,
    )


async def _conclude(connection: AsyncConnection, row: TusRow, values: dict[str, Any]) -> bool:
    if (await connection.execute(_as_seen(row).values(values))).rowcount == 0:
        return False
    await connection.execute(delete(TusPart).where(TusPart.upload_id == row.id))
    return True
