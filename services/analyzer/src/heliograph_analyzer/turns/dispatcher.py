"""Sends the commands of analyses as their turns come.

Only ``window`` analyses are under way at a time, so an owner with a hundred thousand does not stand before one with one, and
a model that cannot be had leaves nothing behind in the stream. Rows say what is to be sent: a dispatcher that dies leaves
nothing that the next one does not see. One acts at a time, under an advisory lock. What somebody waits for was sent already
(``ingest.analysis``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from heliograph_analyzer.turns import queries
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import ImageAnalysisFailed, RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import analyses, locks, provider_states, work
from heliograph_common.db.locks import Lock
from heliograph_common.db.rows import Row
from heliograph_common.db.statements import event_facts, lock_image
from heliograph_common.ingest import analysis
from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_common.turns import Queue, share

log = structlog.get_logger(__name__)

_OWNERS = 1_000
"""Owners that are looked at in one turn."""
_AT_ONCE = 100
"""Rows that one sweep takes up."""
EXPIRED = "expired"


class Dispatcher:
    """``window``: the most analyses that are under way in the installation. ``longest``: how long one may wait to be begun
    before it fails."""

    def __init__(self, messenger: Messenger, *, window: int, longest: timedelta) -> None:
        self._messenger = messenger
        self._window = window
        self._longest = longest
        self._after = ""

    async def run_once(self) -> int:
        """Sends what may be sent; returns how many commands.

        Raises:
            DatabaseUnavailable: nothing was sent.
        """
        async with self._messenger.transaction() as transaction:
            connection = transaction.connection
            if not await locks.try_hold(connection, Lock.DISPATCH_ANALYSES):
                return 0
            state = await provider_states.state_of(connection, analyses.BUDGET)
            if state.paused or not await analyses.analysis_configured(connection):
                return 0
            # Where the provider fails, one call at a time tells when it no longer does.
            window = 1 if state.failing else self._window
            owners = await queries.owners(connection, after=self._after, window=window, limit=_OWNERS)
            self._after = owners[-1].owner if len(owners) >= _OWNERS else ""
            rows = await queries.send(connection, _granted(owners, window))
            await analysis.send(transaction, rows)
        return len(rows)

    async def sweep(self) -> int:
        """Moves what nothing else would: analyses that were sent and have no row of work any more, that wait for a
        rendition which nobody makes, or that waited too long. Returns how many.

        Raises:
            DatabaseUnavailable: the rest was not moved.
        """
        async with self._messenger.transaction() as transaction:
            lost = await queries.take_back(transaction.connection, limit=_AT_ONCE)
            unshown = await queries.unshown(transaction.connection, limit=_AT_ONCE)
            expired = await queries.expired(transaction.connection, longest=self._longest, limit=_AT_ONCE)
        for row in unshown:
            async with self._messenger.transaction() as transaction:
                await _show(transaction, row)
        for row in expired:
            async with self._messenger.transaction() as transaction:
                await self._expire(transaction, row)
        if lost or unshown:
            log.warning("stuck analyses queued again", sent=lost, unshown=len(unshown))
        return lost + len(unshown) + len(expired)

    async def _expire(self, transaction: Transaction, row: Row[Any]) -> None:
        days = self._longest / timedelta(days=1)
        reason = f"not begun within {days:g} days ({row.waiting_reason or 'waited for its turn'}): request it again"
        image = await queries.fail(transaction.connection, row, code=EXPIRED, reason=reason)
        if image is not None:
            event = ImageAnalysisFailed(
                **event_facts(image), analysis_id=row.id, profile=row.profile, code=EXPIRED, reason=reason
            )
            transaction.event(event, owner=row.owner)


async def _show(transaction: Transaction, row: Row[Any]) -> None:
    await work.lock(transaction.connection, RenderImage.kind, row.image_id)  # workers lock it before the image
    image = await lock_image(transaction.connection, row.image_id)
    if image is None:
        return
    if image.processing_status == "failed":
        await analysis.fail_unshown(transaction, image, image.processing_error)
    elif await analyses.can_be_shown(transaction.connection, image.id):
        await analysis.send_ready(transaction, image)
    else:
        await transaction.request(subjects.render(Priority.LOW), RenderImage(image_id=image.id), owner=image.owner)


def _granted(owners: Sequence[Row[Any]], window: int) -> dict[str, int]:
    """How many analyses each owner may send."""
    queues = [Queue(UUID(int=place), row.owner, row.under_way, row.waiting) for place, row in enumerate(owners)]
    granted = share(queues, window)
    return {owners[key.int].owner: count for key, count in granted.items() if count > 0}
