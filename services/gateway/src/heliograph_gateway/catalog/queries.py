"""Images locked for a change, and made to wait for what is missing of them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.messages import RenderImage
from heliograph_common.db import work
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.statements import ImageRow
from heliograph_gateway.catalog.missing import Missing


async def lock_image(connection: AsyncConnection, image_id: UUID, owner: str) -> ImageRow | None:
    """The owner's image, held until the transaction ends. Its work first: workers lock them in this order."""
    await work.lock(connection, RenderImage.kind, image_id)
    statement = select(Image.__table__).where(Image.id == image_id, Image.owner == owner, Image.deleted_at.is_(None))
    return (await connection.execute(statement.with_for_update())).one_or_none()


async def lock_live_image(connection: AsyncConnection, image_id: UUID) -> ImageRow | None:
    """The same for an image of whatever owner."""
    await work.lock(connection, RenderImage.kind, image_id)
    live = select(Image.__table__).where(Image.id == image_id, Image.deleted_at.is_(None)).with_for_update()
    return (await connection.execute(live)).one_or_none()


async def await_missing(
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
