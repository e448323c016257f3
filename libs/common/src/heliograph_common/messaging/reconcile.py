"""Finds images that should have moved and have not, and sends their command again.

The outbox makes this rare: a message lost with a stream, a row restored from a backup, a bug. Commands are idempotent,
so one too many costs a look at a row. One reconciler acts at a time, under an advisory lock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlalchemy import func, select, text, update

from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.models import Image
from heliograph_common.messaging import inbox
from heliograph_common.messaging.transaction import Messenger, Transaction

log = structlog.get_logger(__name__)

_LOCK = 0x5245434F
_INBOX_KEEPS = timedelta(days=8)  # longer than a stream can hold a message that was once delivered
_BATCH = 500


OldestWaiting = Callable[[], Awaitable[timedelta]]
"""Age of the oldest render command that waits or is in hand; raises ``BusUnavailable`` when nobody can tell."""


class Reconciler:
    """``stuck_after``: how long an image may be unfinished without a sign of progress. An image that is younger than the
    oldest waiting command may simply be waiting behind it and is left alone, whatever its age."""

    def __init__(self, messenger: Messenger, oldest_waiting: OldestWaiting, *, stuck_after: timedelta) -> None:
        self._messenger = messenger
        self._oldest_waiting = oldest_waiting
        self._stuck_after = stuck_after

    async def run_once(self) -> int:
        """One cycle; returns how many images were sent on their way again.

        Raises:
            DatabaseUnavailable, BusUnavailable: nothing was done.
        """
        limit = self._stuck_after + await self._oldest_waiting()
        async with self._messenger.transaction() as transaction:
            if not await self._is_mine(transaction):
                return 0
            resent = await self._resend(transaction, limit)
            await inbox.forget(transaction.connection, older_than=_INBOX_KEEPS)
        if resent:
            log.warning("images were stuck and are queued again", images=resent)
        return resent

    async def _is_mine(self, transaction: Transaction) -> bool:
        statement = text("SELECT pg_try_advisory_xact_lock(:lock)")
        return bool((await transaction.connection.execute(statement, {"lock": _LOCK})).scalar_one())

    async def _resend(self, transaction: Transaction, limit: timedelta) -> int:
        stuck = (
            select(Image.id)
            .where(
                Image.deleted_at.is_(None),
                Image.processing_status.in_(("pending", "processing")),
                Image.updated_at < func.now() - limit,
            )
            .order_by(Image.updated_at)
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
            .cte("stuck")
        )
        statement = (
            update(Image)
            .where(Image.id == stuck.c.id)
            .values(updated_at=func.now())  # so that the next cycle gives it its time
            .returning(Image.id, Image.owner, Image.priority)
        )
        rows = (await transaction.connection.execute(statement)).all()
        for row in rows:
            command = subjects.render(Priority(row.priority))
            transaction.command(command, RenderImage(image_id=row.id), owner=row.owner)
        return len(rows)
