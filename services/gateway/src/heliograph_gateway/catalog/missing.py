"""What a complete image should have and has not: renditions whose objects are lost, and sizes that it was never rendered in.

``retries`` asks it. A rendition that is missing loses its row, and with that a renderer finds it to be made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.blobs.port import Blobs
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.statements import ImageRow


@dataclass(frozen=True)
class Missing:
    """``objects``: the keys that rows name in vain, by rendition; ``kinds``: of all that is missing."""

    objects: Mapping[str, str]
    kinds: frozenset[str]


async def find(blobs: Blobs, renditions: Sequence[Row[Any]], sizes: Sequence[Row[Any]]) -> Missing | None:
    """What is missing of an image with these ``renditions``, in an installation with these display ``sizes``; ``None``:
    nothing. An object of another length than its row says is as good as none.

    Raises:
        BlobsUnavailable, BlobUnreadable: nobody can tell.
    """
    found = await asyncio.gather(*(blobs.head(each.key) for each in renditions))
    lost = [each for each, info in zip(renditions, found, strict=True) if info is None or info.size != each.bytes]
    there = {each.name for each in renditions}
    kinds = {each.kind for each in lost} | {size.kind for size in sizes if size.name not in there}
    return Missing({each.name: each.key for each in lost}, frozenset(kinds)) if kinds else None


async def reset(
    connection: AsyncConnection, image_id: UUID, lost: Missing, columns: Mapping[str, str | None]
) -> ImageRow | None:
    """Makes the image wait for what is missing, and sets ``columns``; ``None`` when it is not complete (any more)."""
    pending = {f"{kind}_status": "pending" for kind in lost.kinds}
    statement = (
        update(Image)
        .where(Image.id == image_id, Image.deleted_at.is_(None), Image.processing_status == "complete")
        .values(processing_status="pending", updated_at=func.now(), **pending, **columns)
    )
    row = (await connection.execute(statement.returning(*Image.__table__.columns))).one_or_none()
    if row is not None and lost.objects:
        in_vain = tuple_(Rendition.name, Rendition.key).in_(list(lost.objects.items()))
        await connection.execute(delete(Rendition).where(Rendition.image_id == image_id, in_vain))
    return row
