"""Moves messages from the outbox to NATS: its own service's right after their commit, anyone's that were left behind.

Every service runs one, so a service that is scaled to zero strands nothing. Each stream has a lane of its own, so that one
which is full or lost holds up no other. Where a command was stored is noted in its row of work. A message may be published
twice (the row's deletion can fail); its ``Nats-Msg-Id``, its row of work and the inbox make that harmless. A message that
can never be published is set aside with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from heliograph_common.bus.publish import Published
from heliograph_common.db import work
from heliograph_common.db.engine import Database
from heliograph_common.errors import BusUnavailable, DatabaseUnavailable, Unpublishable
from heliograph_common.messaging import outbox
from heliograph_common.messaging.outbox import LANES, Message
from heliograph_common.telemetry import metrics, spans

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=2)
"""How long a row is its own service's, in which it publishes it itself."""

_LEASE = timedelta(seconds=30)
_BATCH = {"work": 500, "events": 500, "dead": 16}
"""Messages published at once; dead letters hold whole messages and may be large."""
_QUEUE = 10_000
_SWEEP_EVERY = 1.0
_MEASURE_EVERY = 10.0

Publish = Callable[[str, bytes, dict[str, str]], Awaitable[Published]]
"""Publishes (subject, payload, headers) and returns once stored; raises ``BusUnavailable`` or ``Unpublishable``."""


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
        """``hold_back``: a prefix of subjects that are left in the outbox, for workers that take them from rows."""
        self._database = database
        self._connected = connected
        self._hold_back = hold_back
        self._lanes = {name: _Lane(name, database, publish, connected, hold_back) for name in LANES}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to publish and to sweep."""
        self._tasks = [asyncio.create_task(_measure(self._database), name="relay-measure")]
        for name, lane in self._lanes.items():
            self._tasks.append(asyncio.create_task(lane.publish_own(), name=f"relay-{name}-own"))
            self._tasks.append(asyncio.create_task(lane.sweep_for_ever(), name=f"relay-{name}-sweep"))

    async def stop(self, deadline_seconds: float) -> None:
        """Publishes what is queued within ``deadline_seconds``; the rest is left to other services' sweepers."""
        if self._connected():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline_seconds):
                    await asyncio.gather(*(lane.queue.join() for lane in self._lanes.values()))
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
            held_back = self._hold_back is not None and message.subject.startswith(self._hold_back)
            if message.lane in self._lanes and not held_back:  # what is of no lane is set aside
                self._lanes[message.lane].submit(message)

    async def sweep(self) -> int:
        """Publishes rows that were left behind; returns how many.

        Raises:
            DatabaseUnavailable: the outbox cannot be read.
        """
        return sum([await lane.sweep() for lane in self._lanes.values()])


class _Lane:
    """The messages of one stream. Once publishing fails they are left to the sweep, until that gets through again."""

    def __init__(
        self, name: str, database: Database, publish: Publish, connected: Callable[[], bool], hold_back: str | None
    ) -> None:
        self.queue: asyncio.Queue[Message] = asyncio.Queue(_QUEUE)
        self._name = name
        self._batch = _BATCH[name]
        self._database = database
        self._publish = publish
        self._connected = connected
        self._hold_back = hold_back
        self._failing = False

    def submit(self, message: Message) -> None:
        if not self._failing:
            with contextlib.suppress(asyncio.QueueFull):
                self.queue.put_nowait(message)

    async def publish_own(self) -> None:
        while True:
            batch = [await self.queue.get()]
            while len(batch) < self._batch and not self.queue.empty():
                batch.append(self.queue.get_nowait())
            try:
                await self._publish_batch(batch)
            except DatabaseUnavailable:
                log.warning("published messages not removed from the outbox", messages=len(batch))
            finally:
                for _ in batch:
                    self.queue.task_done()

    async def sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            try:
                await self.sweep()
            except DatabaseUnavailable as error:
                log.warning("outbox sweep failed", lane=self._name, error=str(error))

    async def sweep(self) -> int:
        total = 0
        while self._connected():
            async with self._database.transaction() as connection:
                claimed = await outbox.claim_stranded(
                    connection,
                    self._name,
                    older_than=GRACE,
                    lease=_LEASE,
                    limit=self._batch,
                    hold_back=self._hold_back,
                )
            left = await self._publish_batch(claimed) if claimed else []
            if left:
                async with self._database.transaction() as connection:
                    await outbox.release_claims(connection, left)
            total += len(claimed) - len(left)
            if left or len(claimed) < self._batch:
                break
        return total

    async def _publish_batch(self, batch: Sequence[Message]) -> list[UUID]:
        """Publishes all at once and strikes off those that are settled; returns the ids of those that are left."""
        results = await asyncio.gather(*(self._publish_one(message) for message in batch))
        stored: dict[UUID, int] = {}
        refused: dict[UUID, str] = {}
        failures: dict[UUID, BusUnavailable] = {}
        for message, result in zip(batch, results, strict=True):
            if isinstance(result, Published):
                stored[message.id] = result.seq
            elif isinstance(result, Unpublishable):
                refused[message.id] = str(result)
            else:
                failures[message.id] = result
        if stored or refused:
            await self._strike_off(stored, refused)
        self._failing = bool(failures)
        if failures:
            error = str(next(iter(failures.values())))
            log.warning(
                "publishing failed, messages kept in the outbox", lane=self._name, messages=len(failures), error=error
            )
        return list(failures)

    async def _strike_off(self, stored: dict[UUID, int], refused: dict[UUID, str]) -> None:
        async with self._database.transaction() as connection:
            if stored and self._name == "work":
                await work.note_published(connection, stored)
            if stored:
                await outbox.remove(connection, list(stored))
            for row_id, reason in refused.items():
                log.error("unpublishable message quarantined", message_id=str(row_id), reason=reason)
                await outbox.quarantine(connection, row_id, reason)

    async def _publish_one(self, message: Message) -> Published | Unpublishable | BusUnavailable:
        try:
            with spans.send_span(message.subject, message_id=str(message.id), headers=message.headers):
                return await self._publish(message.subject, message.payload, message.headers)
        except (BusUnavailable, Unpublishable) as error:
            return error


async def _measure(database: Database) -> None:
    while True:
        try:
            async with database.transaction() as connection:
                strays = await outbox.quarantine_strays(connection)
                depth = await outbox.depth(connection)
        except DatabaseUnavailable as error:
            log.warning("outbox measurement failed", error=str(error))
        else:
            if strays:
                log.error("messages without a stream quarantined", messages=strays)
            metrics.outbox_depth.set(depth.rows)
            metrics.outbox_oldest_age.set(depth.oldest)
            metrics.outbox_quarantined.set(depth.quarantined)
        await asyncio.sleep(_MEASURE_EVERY)
