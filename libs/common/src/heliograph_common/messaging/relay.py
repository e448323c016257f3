"""Moves messages from the outbox to NATS: its own service's right after their commit, anyone's that were left behind.

Every service runs one, so a service that is scaled to zero strands nothing. A message may be published twice (the
row's deletion can fail); its ``Nats-Msg-Id`` and the inbox make that harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from heliograph_common.db.engine import Database
from heliograph_common.errors import BusUnavailable, DatabaseUnavailable
from heliograph_common.messaging import outbox
from heliograph_common.messaging.outbox import Message
from heliograph_common.telemetry import metrics, spans

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=2)
"""How long a row is its own service's, in which it publishes it itself."""

_LEASE = timedelta(seconds=30)
_BATCH = 500
_QUEUE = 10_000
_SWEEP_EVERY = 1.0

Publish = Callable[[str, bytes, dict[str, str]], Awaitable[None]]
"""Publishes (subject, payload, headers) and returns once stored; raises ``BusUnavailable``."""


class Relay:
    """A component: ``submit`` takes committed messages; a sweep every second takes stranded ones of any service."""

    name = "relay"

    def __init__(
        self,
        database: Database,
        publish: Publish,
        connected: Callable[[], bool],
        *,
        hold_back: str | None = None,
    ) -> None:
        """``hold_back``: a prefix of subjects that are left in the outbox, for workers that take them from there."""
        self._database = database
        self._publish = publish
        self._connected = connected
        self._hold_back = hold_back
        self._queue: asyncio.Queue[Message] = asyncio.Queue(_QUEUE)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Begins to publish and to sweep."""
        self._tasks = [
            asyncio.create_task(self._publish_own(), name="relay-own"),
            asyncio.create_task(self._sweep_for_ever(), name="relay-sweep"),
        ]

    async def stop(self, deadline_seconds: float) -> None:
        """Publishes what is queued within ``deadline_seconds``; the rest is left to other services' sweepers."""
        self._stopping.set()
        if self._connected():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline_seconds):
                    await self._queue.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def died(self) -> None:
        """Returns or raises when one of its tasks has ended unasked."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def submit(self, messages: list[Message]) -> None:
        """Queues messages whose transaction is committed. Without NATS, or with a full queue, a sweep takes them later."""
        if not self._connected():
            return
        for message in messages:
            if self._hold_back is not None and message.subject.startswith(self._hold_back):
                continue
            try:
                self._queue.put_nowait(message)
            except asyncio.QueueFull:
                return

    async def sweep(self) -> int:
        """Publishes rows that were left behind; returns how many.

        Raises:
            DatabaseUnavailable: the outbox cannot be read.
        """
        total = 0
        while self._connected():
            async with self._database.transaction() as connection:
                claimed = await outbox.claim_stranded(
                    connection, older_than=GRACE, lease=_LEASE, limit=_BATCH, except_prefix=self._hold_back
                )
            published = await self._publish_batch(claimed) if claimed else []
            total += len(published)
            if len(published) < len(claimed):
                left = [message.id for message in claimed if message.id not in set(published)]
                async with self._database.transaction() as connection:
                    await outbox.release_claims(connection, left)
            if len(published) < _BATCH:
                break
        return total

    async def _publish_own(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._publish_batch(batch)
            except DatabaseUnavailable:
                log.warning("published messages stay in the outbox for now", messages=len(batch))
            finally:
                for _ in batch:
                    self._queue.task_done()

    async def _publish_batch(self, batch: Sequence[Message]) -> list[UUID]:
        """Publishes all at once, deletes those that were stored and returns their ids."""
        results = await asyncio.gather(*(self._publish_one(message) for message in batch))
        published = [message.id for message, stored in zip(batch, results, strict=True) if stored]
        if published:
            async with self._database.transaction() as connection:
                await outbox.remove(connection, published)
        return published

    async def _publish_one(self, message: Message) -> bool:
        try:
            with spans.send_span(message.subject, message_id=str(message.id), headers=message.headers):
                await self._publish(message.subject, message.payload, message.headers)
        except BusUnavailable as error:
            log.warning("message stays in the outbox", subject=message.subject, error=str(error))
            return False
        return True

    async def _sweep_for_ever(self) -> None:
        while not self._stopping.is_set():
            await asyncio.sleep(_SWEEP_EVERY)
            try:
                await self.sweep()
                async with self._database.transaction() as connection:
                    depth, age = await outbox.depth(connection)
            except DatabaseUnavailable as error:
                log.warning("outbox cannot be swept", error=str(error))
                continue
            metrics.outbox_depth.set(depth)
            metrics.outbox_oldest_age.set(age)
