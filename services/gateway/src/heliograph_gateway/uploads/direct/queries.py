"""The rows of direct uploads, each statement inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.statements import ImageRow
from heliograph_common.db.upload_models import DirectUpload
from heliograph_common.errors import Stale

UploadRow = Row[Any]


async def insert_open(connection: AsyncConnection, values: dict[str, Any], lifetime: timedelta) -> UploadRow:
    """A new upload that waits for its file."""
    statement = insert(DirectUpload).values(**values, expires_at=func.now() + lifetime)
    return (await connection.execute(statement.returning(*DirectUpload.__table__.columns))).one()


async def insert_complete(
    values: dict[str, Any], lifetime: timedelta, connection: AsyncConnection, image: ImageRow
) -> None:
    """A new upload that is ``image`` already."""
    complete = insert(DirectUpload).values(
        **values, expires_at=func.now() + lifetime, state="complete", image_id=image.id
    )
    await connection.execute(complete)


async def find(connection: AsyncConnection, upload_id: UUID, owner: str) -> UploadRow | None:
    """The owner's upload."""
    statement = select(DirectUpload.__table__).where(DirectUpload.id == upload_id, DirectUpload.owner == owner)
    return (await connection.execute(statement)).one_or_none()


async def names(connection: AsyncConnection, ids: Sequence[UUID], owner: str) -> dict[UUID, str]:
    """The names of those of the uploads that are the owner's."""
    statement = select(DirectUpload.id, DirectUpload.name)
    found = await connection.execute(statement.where(DirectUpload.id.in_(ids), DirectUpload.owner == owner))
    return {row.id: row.name for row in found}


async def conclude(upload_id: UUID, connection: AsyncConnection, image: ImageRow) -> None:
    """Notes that the upload is ``image``.

    Raises:
        Stale: it is not open any more.
    """
    still_open = update(DirectUpload).where(DirectUpload.id == upload_id, DirectUpload.state == "open")
    if not (await connection.execute(still_open.values(state="complete", image_id=image.id))).rowcount:
        raise Stale(f"upload {upload_id} is not open any more")


async def refuse(connection: AsyncConnection, upload_id: UUID, problem: dict[str, Any]) -> bool:
    """Notes why the upload is refused; ``False``: it is not open any more."""
    still_open = update(DirectUpload).where(DirectUpload.id == upload_id, DirectUpload.state == "open")
    return bool((await connection.execute(still_open.values(state="refused", problem=problem))).rowcount)


async def forget(connection: AsyncConnection, upload_id: UUID) -> None:
    """Deletes the row."""
    await connection.execute(delete(DirectUpload).where(DirectUpload.id == upload_id))
