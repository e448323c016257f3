"""Has images rendered again, as a retry does: row of work, state and event in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import work
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.statements import ImageRow
from heliograph_common.messaging.transaction import Messenger
from heliograph_gateway.catalog import retries

_STAGES = {"thumbnail": Image.thumbnail_status, "variant": Image.variant_status}


async def without(messenger: Messenger, image_id: UUID, broken: Mapping[str, str]) -> bool:
    """Takes renditions (key by name) from an image and has them rendered again, at low priority; ``False`` where it has
    none of them any more. A failed image stays failed, and is rendered when it is retried.

    Raises:
        DatabaseUnavailable: nothing was done.
    """
    async with messenger.transaction() as transaction:
        connection = transaction.connection
        image = await _locked(connection, image_id)
        if image is None:
            return False
        these = or_(*((Rendition.name == name) & (Rendition.key == key) for name, key in broken.items()))
        gone = delete(Rendition).where(Rendition.image_id == image_id, these).returning(Rendition.kind)
        kinds = set((await connection.execute(gone)).scalars())
        if not kinds:
            return False
        state = "failed" if image.processing_status == "failed" else "pending"
        values: dict[str, Any] = {_STAGES[kind].key: _unless_begun(_STAGES[kind], state) for kind in kinds}
        if image.processing_status == "complete":
            values |= {"processing_status": "pending", "processing_attempts": 0}
        changed = update(Image).where(Image.id == image_id).values(updated_at=func.now(), **values)
        row = (await connection.execute(changed.returning(*Image.__table__.columns))).one()
        if image.processing_status != "failed":
            await transaction.request(subjects.render(Priority.LOW), RenderImage(image_id=image_id), owner=row.owner)
        if image.processing_status == "complete":
            retries.announce(transaction, row)
    return True


async def missing(messenger: Messenger, image_id: UUID, *, priority: Priority | None = None) -> bool:
    """Has a live image rendered that lacks something; at its own priority where none is given. ``False``: it is gone or
    failed."""
    async with messenger.transaction() as transaction:
        image = await _locked(transaction.connection, image_id)
        if image is None or image.processing_status == "failed":
            return False
        subject = subjects.render(priority or Priority(image.priority))
        await transaction.request(subject, RenderImage(image_id=image_id), owner=image.owner)
    return True


async def _locked(connection: AsyncConnection, image_id: UUID) -> ImageRow | None:
    """A live image, after its work: workers lock them in this order."""
    await work.lock(connection, RenderImage.kind, image_id)
    live = select(Image.__table__).where(Image.id == image_id, Image.deleted_at.is_(None)).with_for_update()
    return (await connection.execute(live)).one_or_none()


def _unless_begun(column: Any, state: str) -> Any:
    return case((column == "processing", column), else_=state)
