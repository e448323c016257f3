"""Commands straight from the outbox, for the time that NATS is away (or always, where a setting forces it).

The rows that NATS would have carried are claimed in PostgreSQL; handler, inbox and fence are the same. A row whose
message NATS has got nevertheless is harmless: the inbox knows it when it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from heliograph_common.db.engine import Database
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.messaging import outbox
from heliograph_common.messaging.outbox import Message
from heliograph_common.messaging.ports import Delivery, Source

log = structlog.get_logger(__name__)

_POLL = 0.5


class OutboxDelivery:
    """A claimed outbox row."""

    def __init__(self, database: Database, message: Message, deliveries: int, ack_wait: float) -> None:
        self._database = database
        self._message = message
        self.deliveries = deliveries
        self.ack_wait = ack_wait

    @property
    def subject(self) -> str:
        """The subject it would have been published to."""
        return self._message.subject

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, trace context included."""
        return self._message.headers

    @property
    def payload(self) -> bytes:
        """Its body."""
        return self._message.payload

    async def ack(self) -> None:
        """Deletes the row: it needs not be published any more."""
        async with self._database.transaction() as connection:
            await outbox.remove(connection, [self._message.id])

    async def nak(self, delay: float) -> None:
        """Leaves the row to whoever comes after ``delay`` seconds, NATS included."""
        await self._extend(delay)

    async def term(self, reason: str) -> None:
        """Deletes the row."""
        await self.ack()

    async def in_progress(self) -> None:
        """Moves the end of the claim."""
        await self._extend(self.ack_wait)

    async def _extend(self, seconds: float) -> None:
        async with self._database.transaction() as connection:
            await outbox.extend_claim(connection, self._message.id, timedelta(seconds=seconds))


class OutboxSource:
    """Claims commands of ``subjects``, those named first first."""

    def __init__(self, database: Database, subjects: Sequence[str], *, ack_wait: float) -> None:
        self._database = database
        self._subjects = subjects
        self._ack_wait = ack_wait

    async def next(self) -> Delivery:
        """The next command; waits as long as there is none."""
        while True:
            try:
                delivery = await self.try_next()
            except DatabaseUnavailable as error:
                log.warning("outbox cannot be read", error=str(error))
                delivery = None
            if delivery is not None:
                return delivery
            await asyncio.sleep(_POLL)

    async def try_next(self) -> Delivery | None:
        """The next command if there is one now."""
        async with self._database.transaction() as connection:
            for subject in self._subjects:
                claimed = await outbox.claim_command(connection, subject, lease=timedelta(seconds=self._ack_wait))
                if claimed is not None:
                    return OutboxDelivery(self._database, *claimed, self._ack_wait)
        return None

    async def release(self) -> None:
        """Nothing is held."""

    async def close(self) -> None:
        """Nothing is held."""


class FallbackSource:
    """``preferred`` while ``away()`` says that it works, else ``fallback``. ``away`` returns the seconds since the
    preferred one was last there; the fallback takes over after ``patience`` seconds."""

    def __init__(
        self, preferred: Source, fallback: OutboxSource, *, away: Callable[[], float], patience: float
    ) -> None:
        self._preferred = preferred
        self._fallback = fallback
        self._away = away
        self._patience = patience
        self._taken_over = False

    async def next(self) -> Delivery:
        """The next delivery of either."""
        waiting = asyncio.create_task(self._preferred.next())
        try:
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=_POLL)
                if done:
                    self._note(taken_over=False)
                    return waiting.result()
                if self._away() >= self._patience:
                    self._note(taken_over=True)
                    delivery = await self._from_outbox()
                    if delivery is not None:
                        return delivery
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)

    async def release(self) -> None:
        """Gives back what the preferred source holds."""
        await self._preferred.release()

    async def close(self) -> None:
        """Closes the preferred source."""
        await self._preferred.close()

    async def _from_outbox(self) -> Delivery | None:
        try:
            return await self._fallback.try_next()
        except DatabaseUnavailable as error:
            log.warning("outbox cannot be read", error=str(error))
            return None

    def _note(self, *, taken_over: bool) -> None:
        if taken_over != self._taken_over:
            self._taken_over = taken_over
            log.warning("taking commands from the outbox" if taken_over else "taking commands from NATS again")
