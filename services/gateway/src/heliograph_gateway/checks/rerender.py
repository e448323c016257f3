"""Has images rendered again, as a retry does: row of work, state and event in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.messaging.transaction import Messenger
from heliograph_gateway.catalog import retries
from heliograph_gateway.catalog.queries import lock_live_image
from heliograph_gateway.checks.renditions import queries


async def without(messenger: Messenger, image_id: UUID, broken: Mapping[str, str]) -> bool:
    """Takes renditions (key by name) from an image and has them rendered again, at low priority; ``False`` where it has
    none of them any more. A failed image stays failed, and is rendered when it is retried.

    Raises:
        DatabaseUnavailable: nothing was done.
    """
    async with messenger.transaction() as transaction:
        connection = transaction.connection
        image = await lock_live_image(connection, image_id)
        if image is None:
            return False
        row = await queries.without_renditions(connection, image, broken)
        if row is None:
            return False
        if image.processing_status != "failed":
            await transaction.request(subjects.render(Priority.LOW), RenderImage(image_id=image_id), owner=row.owner)
        if image.processing_status == "complete":
            retries.announce(transaction, row)
    return True


async def missing(messenger: Messenger, image_id: UUID, *, priority: Priority | None = None) -> bool:
    """Has a live image rendered that lacks something; at its own priority where none is given. ``False``: it is gone or
    failed."""
    async with messenger.transaction() as transaction:
        image = await lock_live_image(transaction.connection, image_id)
        if image is None or image.processing_status == "failed":
            return False
        subject = subjects.render(priority or Priority(image.priority))
        await transaction.request(subject, RenderImage(image_id=image_id), owner=image.owner)
    return True
