"""Deliveries made of rows of work, for what NATS does not bring: commands that it has not stored for some seconds, all of
them while pulling does not work, or always where a setting leaves NATS out.

A row is leased before it is handed out, so a message about it that NATS brings after all finds it in hand. Handler, fence
and the end of the work are the same as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID, encode
from heliograph_common.db import work
from heliograph_common.db.engine import Database
from heliograph_common.db.work import WorkRow
from heliograph_common.errors import DatabaseUnavailable, Unavailable
from heliograph_common.ids import new_id
from heliograph_common.messaging import outbox
from heliograph_common.messaging.commands import command_of
from heliograph_common.messaging.ports import Delivery, Source

log = structlog.get_logger(__name__)

_POLL = 1.0
_LEASE = timedelta(seconds=30)
"""From the claim to the beginning of the attempt."""


class RowDelivery:
    """A row of work that is leased to us, as the message that asks for it."""

    def __init__(self, database: Database, row: WorkRow, headers: Mapping[str, str]) -> None:
        message = command_of(row, message_id=row.lease_message)
        self.subject: str = row.subject
        self.headers: Mapping[str, str] = {**headers, HEADER_MESSAGE_ID: str(message.id)}
        self.payload = encode(message)
        self.deliveries: int = row.attempts + 1
        self._database = database
        self._command_id = row.command_id

    def hold(self, seconds: float) -> None:
        """The lease of the row does that."""

    def release(self) -> None:
        """The end of the attempt does that."""

    async def ack(self) -> None:
        """Takes the command out of the outbox, if it is there: it needs not be published any more."""
        async with self._database.transaction() as connection:
            await outbox.remove(connection, [self._command_id])

    async def nak(self, delay: float) -> None:
        """The row that was given back says from when on it may be begun again."""

    async def term(self, reason: str) -> None:
        """As ``ack``."""
        await self.ack()


class RowSource:
    """Leases work of ``subjects``, those named first first, for the worker ``by``."""

    def __init__(self, database: Database, subjects: Sequence[str], *, by: str) -> None:
        self._database = database
        self._subjects = subjects
        self._by = by

    async def next(self) -> Delivery:
        """The next work; waits as long as there is none."""
        while True:
            delivery = await self.try_next(unpublished_for=None)
            if delivery is not None:
                return delivery
            await asyncio.sleep(_POLL)

    async def try_next(self, *, unpublished_for: timedelta | None) -> Delivery | None:
        """The next work if there is some now; see ``work.claim_row``. Nothing while PostgreSQL is away."""
        try:
            async with self._database.transaction() as connection:
                for subject in self._subjects:
                    row = await work.claim_row(
                        connection,
                        subject,
                        by=self._by,
                        message_id=new_id(),
                        lease=_LEASE,
                        unpublished_for=unpublished_for,
                    )
                    if row is not None:
                        headers = await outbox.headers_of(connection, row.command_id)
                        return RowDelivery(self._database, row, headers)
        except DatabaseUnavailable as error:
            log.warning("work rows not readable", error=str(error))
        return None

    async def release(self) -> None:
        """Nothing is held."""

    async def close(self) -> None:
        """Nothing is held."""


class FallbackSource:
    """What ``preferred`` brings, and from ``rows`` what it does not: work whose command was not published within
    ``patience`` seconds, and all work once ``preferred`` has failed for that long, as ``failing_for`` tells."""

    def __init__(
        self, preferred: Source, rows: RowSource, *, failing_for: Callable[[], float], patience: float
    ) -> None:
        self._preferred = preferred
        self._rows = rows
        self._failing_for = failing_for
        self._patience = patience
        self._waiting: asyncio.Task[Delivery] | None = None
        self._taken_over = False
        self._found = False

    async def next(self) -> Delivery:
        """The next delivery of either."""
        while True:
            taken_over = self._failing_for() >= self._patience
            self._note(taken_over)
            if self._waiting is None:
                self._waiting = asyncio.create_task(self._preferred.next())
            at_once = taken_over or self._found  # where there was one row there may be more
            await asyncio.wait({self._waiting}, timeout=0 if at_once else _POLL)
            if self._waiting.done():
                waiting, self._waiting = self._waiting, None
                return waiting.result()
            patience = None if taken_over else timedelta(seconds=self._patience)
            delivery = await self._rows.try_next(unpublished_for=patience)
            self._found = delivery is not None
            if delivery is not None:
                return delivery
            if taken_over:
                await asyncio.wait({self._waiting}, timeout=_POLL)

    async def release(self) -> None:
        """Gives back what the preferred source holds, or has just brought."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
            done = (await asyncio.gather(waiting, return_exceptions=True))[0]
            if not isinstance(done, BaseException):
                # A server that is away costs time only, as the delivery comes back after its ack_wait. Raised, it would
                # end a worker that goes on, or keep one that stops from finishing what it has.
                with contextlib.suppress(Unavailable):
                    await done.nak(0)
        await self._preferred.release()

    async def close(self) -> None:
        """Hands out nothing more."""
        await self.release()
        await self._preferred.close()

    def _note(self, taken_over: bool) -> None:
        if taken_over != self._taken_over:
            self._taken_over = taken_over
            log.warning("taking work from postgresql" if taken_over else "taking work from NATS again")
