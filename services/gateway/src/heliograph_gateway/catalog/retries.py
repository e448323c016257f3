"""Images on their way again: of failed ones the circuit is closed, of complete ones what is missing is looked for; the work
is queued, and that is told. The replay of dead letters announces its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from heliograph_common.blobs.port import Blobs
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import ImageRetried, RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import statements
from heliograph_common.db.rows import Row
from heliograph_common.db.statements import ImageRow, event_facts
from heliograph_common.ingest import analysis, fairness
from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_gateway.catalog import missing, queries


@dataclass(frozen=True)
class Retried:
    """The image as it is now. ``queued`` is false where nothing had failed or was missing, and nothing was done."""

    row: ImageRow
    renditions: Sequence[Row[Any]]
    queued: bool


class Retries:
    """``before_low``: how many images of one owner may wait before the next are queued at `low`."""

    def __init__(self, messenger: Messenger, blobs: Blobs, *, before_low: int) -> None:
        self._messenger = messenger
        self._blobs = blobs
        self._before_low = before_low

    async def retry(self, image_id: UUID, owner: str) -> Retried | None:
        """Closes the circuit of the owner's failed image and queues it, at the priority that was asked for at its upload
        or at `low` (``ingest.fairness``); of a complete one it queues what is missing. ``None`` where the owner has no
        such image.

        Raises:
            BlobsUnavailable, BlobUnreadable: the image is complete, and nobody can tell what is missing.
            DatabaseUnavailable: nothing was done.
        """
        retried = await self._again(image_id, owner, lost=None)
        if retried is None or retried.queued or retried.row.processing_status != "complete":
            return retried
        async with self._messenger.transaction() as transaction:
            sizes = await statements.display_sizes(transaction.connection)
        lost = await missing.find(self._blobs, retried.renditions, sizes)
        return await self._again(image_id, owner, lost=lost) if lost else retried

    async def _again(self, image_id: UUID, owner: str, *, lost: missing.Missing | None) -> Retried | None:
        """Queues the image if it has failed; or, when something is ``lost``, if it is complete."""
        async with self._messenger.transaction() as transaction:
            connection = transaction.connection
            found = await queries.lock_image(connection, image_id, owner)
            if found is None:
                return None
            wanted = Priority(found.requested_priority or found.priority)
            granted = await fairness.grant(connection, owner, wanted, before_low=self._before_low)
            if lost is None:
                row = await statements.reset_processing(connection, image_id, granted.columns())
            else:
                row = await queries.await_missing(connection, image_id, lost, granted.columns())
            if row is not None:
                row = await analysis.revive(transaction, row)
                command = subjects.render(granted.priority)
                await transaction.request(command, RenderImage(image_id=image_id), owner=row.owner)
                announce(transaction, row)
            renditions = await statements.renditions_of(connection, image_id)
        return Retried(found if row is None else row, renditions, queued=row is not None)


def announce(transaction: Transaction, row: ImageRow) -> None:
    """States that the image of ``row`` is on its way again."""
    transaction.event(ImageRetried(**event_facts(row)), owner=row.owner)
