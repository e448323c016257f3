"""An owner's image, locked for a change."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.messages import RenderImage
from heliograph_common.db import work
from heliograph_common.db.image_models import Image
from heliograph_common.db.statements import ImageRow


async def lock_image(connection: AsyncConnection, image_id: UUID, owner: str) -> ImageRow | None:
    """The owner's image, held until the transaction ends. Its work first: workers lock them in this order."""
    await work.lock(connection, RenderImage.kind, image_id)
    statement = select(Image.__table__).where(Image.id == image_id, Image.owner == owner, Image.deleted_at.is_(None))
    return (await connection.execute(statement.with_for_update())).one_or_none()
