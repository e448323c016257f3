"""Images in the order of their ids, and what they lack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

_IDS = text("SELECT id FROM images WHERE id > :after ORDER BY id LIMIT :limit").bindparams(
    bindparam("after", type_=Uuid)
)
_ENDS = text(
    "SELECT (SELECT id FROM images ORDER BY id LIMIT 1) AS first, (SELECT id FROM images ORDER BY id DESC LIMIT 1) AS last"
)
_WRONG = text("""
    SELECT images.id, images.owner, images.processing_status AS status, NULL AS size FROM images
    WHERE images.id = ANY(:ids) AND deleted_at IS NULL AND processing_status IN ('pending', 'processing')
      AND NOT EXISTS (SELECT FROM work WHERE work.kind = 'render' AND work.target = images.id)
    UNION ALL
    SELECT images.id, images.owner, images.processing_status, size.name FROM images CROSS JOIN display_sizes AS size
    WHERE images.id = ANY(:ids) AND deleted_at IS NULL AND processing_status = 'complete'
      AND size.changed_at < least(last_processing_attempt, processing_completed_at)
      AND NOT EXISTS (SELECT FROM renditions WHERE renditions.image_id = images.id AND renditions.name = size.name)
      AND NOT EXISTS (SELECT FROM work WHERE work.kind = 'render' AND work.target = images.id)
    ORDER BY id, size
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def ids(connection: AsyncConnection, after: UUID, limit: int) -> Sequence[UUID]:
    """The ids of the next images."""
    return (await connection.execute(_IDS, {"after": after, "limit": limit})).scalars().all()


async def ends(connection: AsyncConnection) -> Row[Any]:
    """The first and the last id of all."""
    return (await connection.execute(_ENDS)).one()


async def wrong(connection: AsyncConnection, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """A row for each display size that one of these images lacks, and one with ``size`` NULL for each that is unfinished and
    has no work: id, owner, status, size."""
    return (await connection.execute(_WRONG, {"ids": list(ids)})).all()
