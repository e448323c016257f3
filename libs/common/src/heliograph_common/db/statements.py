"""Statements about images that more than one service runs, each inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Row, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.messages import Stages, progress
from heliograph_common.db.display_size_models import DisplaySize
from heliograph_common.db.image_models import Image, Rendition

ImageRow = Row[Any]

# A range and its order, which ix_images_owner_processing_status_id alone can give: with an equality PostgreSQL may take the
# index of all unfinished images, or of all ids, and filter all of them for an owner who has none. The newest come first:
# they are rendered last, so there are no dead entries to step over before the limit is reached.
_WAITING = select(func.count()).select_from(
    select(Image.id)
    .where(Image.owner == bindparam("owner"), Image.deleted_at.is_(None))
    .where(Image.processing_status.between("pending", "pending"))
    .order_by(Image.processing_status.desc(), Image.id.desc())
    .limit(bindparam("up_to", type_=Integer))
    .subquery()
)


async def find_image(connection: AsyncConnection, image_id: UUID, *, owner: str | None = None) -> ImageRow | None:
    """The row of an image that is not deleted; with ``owner`` only if it is theirs."""
    statement = select(Image.__table__).where(Image.id == image_id, Image.deleted_at.is_(None))
    if owner is not None:
        statement = statement.where(Image.owner == owner)
    return (await connection.execute(statement)).one_or_none()


async def lock_image(connection: AsyncConnection, image_id: UUID) -> ImageRow | None:
    """The same, locked to the end of the transaction."""
    statement = select(Image.__table__).where(Image.id == image_id, Image.deleted_at.is_(None)).with_for_update()
    return (await connection.execute(statement)).one_or_none()


async def find_by_content(connection: AsyncConnection, owner: str, sha256: str) -> ImageRow | None:
    """The owner's image with these bytes, unless it is deleted."""
    statement = select(Image.__table__).where(Image.owner == owner, Image.sha256 == sha256, Image.deleted_at.is_(None))
    return (await connection.execute(statement)).one_or_none()


async def insert_image(connection: AsyncConnection, values: dict[str, Any]) -> ImageRow | None:
    """Inserts an image row and returns it; ``None`` when the owner already has an image with these bytes."""
    statement = (
        insert(Image)
        .values(values)
        .on_conflict_do_nothing(index_elements=["owner", "sha256"], index_where=Image.deleted_at.is_(None))
        .returning(*Image.__table__.columns)
    )
    return (await connection.execute(statement)).one_or_none()


async def waiting(connection: AsyncConnection, owner: str, *, up_to: int) -> int:
    """How many of the owner's images nobody has begun to render; counts no further than ``up_to``."""
    return int((await connection.execute(_WAITING, {"owner": owner, "up_to": up_to})).scalar_one())


async def renditions_of(connection: AsyncConnection, image_id: UUID) -> Sequence[Row[Any]]:
    """All renditions of an image, thumbnails first, small before large."""
    statement = (
        select(Rendition.__table__)
        .where(Rendition.image_id == image_id)
        .order_by(Rendition.kind, Rendition.width, Rendition.name)
    )
    return (await connection.execute(statement)).all()


async def display_sizes(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """The configured sizes in their order."""
    statement = select(DisplaySize.__table__).order_by(DisplaySize.kind, DisplaySize.position, DisplaySize.name)
    return (await connection.execute(statement)).all()


async def reset_processing(
    connection: AsyncConnection, image_id: UUID, columns: Mapping[str, str | None] | None = None
) -> ImageRow | None:
    """Closes the circuit of a failed image and sets ``columns``; ``None`` when it is not failed (any more)."""
    statement = (
        update(Image)
        .where(Image.id == image_id, Image.deleted_at.is_(None), Image.processing_status == "failed")
        .values(
            processing_status="pending",
            thumbnail_status=_unless_complete(Image.thumbnail_status),
            variant_status=_unless_complete(Image.variant_status),
            processing_error=None,
            processing_retryable=None,
            processing_attempts=0,
            updated_at=func.now(),
            **(columns or {}),
        )
        .returning(*Image.__table__.columns)
    )
    return (await connection.execute(statement)).one_or_none()


def stages_of(row: ImageRow) -> Stages:
    """The state of each stage as messages carry it."""
    return Stages(
        stored="complete", thumbnails=row.thumbnail_status, variants=row.variant_status, analysis=row.analysis_status
    )


def event_facts(row: ImageRow, *, followed: bool = False) -> dict[str, Any]:
    """What every event about the image tells: arguments of an ``ImageEvent``. ``row`` is what the change that the event is
    about returned; a row read before or after it would tell another revision. ``followed``: another event tells of the same
    change, and has the higher revision of the two."""
    stages = stages_of(row)
    return {
        "image_id": row.id,
        "name": row.name,
        "progress": progress(stages),
        "stages": stages,
        "revision": row.revision - 1 if followed else row.revision,
    }


def _unless_complete(column: Any) -> Any:
    return func.coalesce(func.nullif(func.nullif(column, "failed"), "processing"), "pending")
