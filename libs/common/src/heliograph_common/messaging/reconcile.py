"""Looks after work that has shown no sign of progress by its deadline, whatever its kind: what has no command left is sent
again, what is waiting or in hand gets another deadline.

Whether a command is outstanding is known exactly: it is in the outbox, or its place in the stream has not been delivered
yet. One that was delivered is either in hand, and its row is leased, or lost. So nothing is sent twice because a queue is
long, and one message that is held says nothing about others. One reconciler acts at a time, under an advisory lock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from heliograph_common.bus.work_progress import WorkProgress, created
from heliograph_common.contracts.streams import consumer_for
from heliograph_common.db import locks, work
from heliograph_common.db.locks import Lock
from heliograph_common.db.work import WorkRow
from heliograph_common.messaging import outbox
from heliograph_common.messaging.commands import command_of
from heliograph_common.messaging.transaction import Messenger, Transaction

log = structlog.get_logger(__name__)

_BATCH = 2_000
_ADOPT_EVERY = 10

Adopt = Callable[[Transaction], Awaitable[int]]
"""Asks for work that has no row though it is unfinished; returns how much there was."""


class Reconciler:
    """``progress`` tells how the stream of work stands, and raises ``BusUnavailable`` when nobody can tell. ``adopt``: what
    each kind of work does for rows that are missing; looked at in every tenth cycle."""

    def __init__(
        self, messenger: Messenger, progress: Callable[[], Awaitable[WorkProgress]], *, adopt: Sequence[Adopt] = ()
    ) -> None:
        self._messenger = messenger
        self._progress = progress
        self._adopt = adopt
        self._cycle = 0
        self._epoch: str | None = None

    async def run_once(self) -> int:
        """One cycle; returns how much work was sent on its way again.

        Raises:
            DatabaseUnavailable, BusUnavailable: the rest is left for the next cycle.
        """
        progress = await self._progress()
        await self._note_stream(progress)
        sent, adopted = 0, 0
        while True:
            async with self._messenger.transaction() as transaction:
                if not await locks.try_hold(transaction.connection, Lock.RECONCILE):
                    break
                due = await work.due(transaction.connection, limit=_BATCH)
                sent += await _settle(transaction, due, progress)
            if len(due) < _BATCH:
                break
        if self._cycle % _ADOPT_EVERY == 0:
            for adopt in self._adopt:
                async with self._messenger.transaction() as transaction:
                    if await locks.try_hold(transaction.connection, Lock.RECONCILE):
                        adopted += await adopt(transaction)
        self._cycle += 1
        if sent or adopted:
            log.warning("lost commands sent again", work=sent, adopted=adopted)
        return sent + adopted

    async def _note_stream(self, progress: WorkProgress) -> None:
        """After the stream was created again, what it held before is due at once."""
        if progress.epoch == self._epoch:
            return
        moment, lost = created(progress.epoch), _BATCH
        while lost == _BATCH:
            async with self._messenger.transaction() as transaction:
                lost = await work.hasten(transaction.connection, published_before=moment, limit=_BATCH)
            if lost:
                log.warning("work stream recreated, commands sent again", work=lost)
        self._epoch = progress.epoch


async def _settle(transaction: Transaction, due: Sequence[WorkRow], progress: WorkProgress) -> int:
    lost = [row for row in due if not outstanding(row, progress)]
    waiting = [row for row in due if outstanding(row, progress)]
    if waiting:
        await work.look_later(transaction.connection, waiting)
    if lost:
        messages = [outbox.message(row.subject, command_of(row)) for row in lost]
        sent = {(row.kind, row.target): message.id for row, message in zip(lost, messages, strict=True)}
        await work.resend(transaction.connection, sent)
        transaction.messages += messages
    return len(lost)


def outstanding(row: WorkRow, progress: WorkProgress) -> bool:
    """Whether the work of ``row`` is in hand, or a command for it will be delivered."""
    if row.in_outbox or row.in_hand:
        return True
    if row.published_seq is None or row.published_seq > progress.last_seq:
        return False
    if row.published_at < created(progress.epoch):  # in another stream of that name
        return False
    consumer = consumer_for(row.subject)
    if consumer is None:  # its service is not installed; the stream keeps it until it is
        return True
    place = progress.consumers[consumer.durable]
    return place.pending > 0 and row.published_seq > place.delivered_seq
