"""Failed images on their way again: the circuit is closed, the work queued, and that is told.

The routes of ``/v1`` and those of older clients call ``retry``; the replay of dead letters announces its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import ImageRetried, RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import statements
from heliograph_common.db.statements import ImageRow, event_facts
from heliograph_common.ingest import fairness
from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_gateway import queries


@dataclass(frozen=True)
class Retried:
    """The image as it is now. ``queued`` is false where it had not failed, and nothing was done."""

    row: ImageRow
    renditions: Sequence[Row[Any]]
    queued: bool


async def retry(messenger: Messenger, image_id: UUID, owner: str, *, before_low: int) -> Retried | None:
    """Closes the circuit of the owner's failed image and queues it, at the priority that was asked for at its upload or at
    `low` (``ingest.fairness``); ``None`` where the owner has no such image."""
    async with messenger.transaction() as transaction:
        found = await queries.lock_image(transaction.connection, image_id, owner)
        if found is None:
            return None
        asked = Priority(found.requested_priority or found.priority)
        granted = await fairness.grant(transaction.connection, owner, asked, before_low=before_low)
        row = await statements.reset_processing(transaction.connection, image_id, granted.columns())
        if row is not None:
            command = subjects.render(granted.priority)
            await transaction.request(command, RenderImage(image_id=image_id), owner=row.owner)
            announce(transaction, row)
        renditions = await statements.renditions_of(transaction.connection, image_id)
    return Retried(found if row is None else row, renditions, queued=row is not None)


def announce(transaction: Transaction, row: ImageRow) -> None:
    """States that the image of ``row`` is on its way again."""
    transaction.event(ImageRetried(**event_facts(row)), owner=row.owner)
