"""Turns deliveries into effects, each exactly once, with a fixed number of slots.

A handler's effect, its messages and the inbox row commit together (``Job.conclude``), and only then the delivery is
acknowledged. What goes wrong is one of two things: permanent (given up on: recorded by the handler, dead-lettered,
terminated) or temporary (returned with a delay, a bounded number of times). While a server is away the worker keeps
what it has in hand and waits: an outage costs no message its attempts.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
from opentelemetry.trace import Span

from heliograph_common.clock import utc_now
from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID, Envelope, decode
from heliograph_common.contracts.messages import DeadLetter
from heliograph_common.errors import (
    BusUnavailable,
    HeliographError,
    MalformedMessage,
    Permanent,
    RejectedImage,
    Stale,
    Temporary,
    Unavailable,
)
from heliograph_common.messaging import inbox
from heliograph_common.messaging.dead_letter_limit import DeadLetterLimit
from heliograph_common.messaging.ports import Delivery, Source
from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_common.telemetry import metrics, spans

log = structlog.get_logger(__name__)

_OUTAGE_DELAYS = (0.5, 1.0, 2.0, 5.0)
_NAK_CAP = 60.0


class AlreadyHandledError(HeliographError):
    """The inbox has this message: acknowledge it and do nothing."""


class GivenUpError(Permanent):
    """Workers died or failed too often over this message: look at the dead letter's reason, then replay it."""


@dataclass(frozen=True)
class WorkerSettings:
    """``slots``: messages handled at one time. ``max_attempts``: the delivery from which on a temporary failure is the
    last one; NATS counts deliveries, so those lost to workers that died count too. ``max_deliveries``: deliveries of any
    kind before it is not even tried. ``retry_delay``: seconds before the second attempt, doubled with each."""

    slots: int
    max_attempts: int = 8
    max_deliveries: int = 20
    retry_delay: float = 1.0


class Job:
    """One message in a handler's hands."""

    def __init__(self, messenger: Messenger, consumer: str, envelope: Envelope, deliveries: int) -> None:
        self.envelope = envelope
        self.deliveries = deliveries
        self.fence: int | None = None
        """Set by handlers that fence their rows, for ``give_up`` to compare."""
        self._messenger = messenger
        self._consumer = consumer

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction on the way; the message is not done with it."""
        async with self._messenger.transaction() as transaction:
            yield transaction

    @asynccontextmanager
    async def conclude(self) -> AsyncIterator[Transaction]:
        """The last transaction: its commit makes the message handled.

        Raises:
            AlreadyHandledError: another delivery was faster; nothing of this transaction is kept.
        """
        async with self._messenger.transaction() as transaction:
            if not await inbox.record(transaction.connection, self._consumer, self.envelope.id):
                raise AlreadyHandledError(f"{self.envelope.type} {self.envelope.id} is handled")
            yield transaction


class Handler(Protocol):
    """What a service does with its messages."""

    @property
    def consumer(self) -> str:
        """The name under which the inbox remembers messages."""

    async def handle(self, job: Job) -> None:
        """Does it, and ends with ``job.conclude()``."""

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        """Records in ``transaction`` that the message will not be handled, and tells whom it concerns.

        Raises:
            Stale: a newer attempt owns the row; nothing is recorded.
        """


class Worker:
    """A component that hands deliveries of ``source`` to ``handler``."""

    def __init__(
        self,
        service: str,
        source: Source,
        handler: Handler,
        messenger: Messenger,
        settings: WorkerSettings,
        *,
        available: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        """``available``: checks of the servers that the handler needs; each raises ``Unavailable`` while it is away."""
        self.name = f"worker-{service}"
        self._service = service
        self._source = source
        self._handler = handler
        self._messenger = messenger
        self._settings = settings
        self._available = available
        self._slots = asyncio.Semaphore(settings.slots)
        self._jobs: set[asyncio.Task[None]] = set()
        self._dispatcher: asyncio.Task[None] | None = None
        self._limit = DeadLetterLimit()
        self.stopped: str | None = None
        self._stopping = False

    @property
    def busy(self) -> int:
        """Slots in use."""
        return len(self._jobs)

    async def start(self) -> None:
        """Begins to take deliveries."""
        self._dispatcher = asyncio.create_task(self._dispatch(), name=self.name)

    async def stop(self, deadline_seconds: float) -> None:
        """Takes nothing more, finishes what it has within ``deadline_seconds`` and gives back the rest."""
        self._stopping = True
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            await asyncio.gather(self._dispatcher, return_exceptions=True)
        await self._source.close()
        if self._jobs:
            _, late = await asyncio.wait(self._jobs, timeout=deadline_seconds)
            for job in late:
                job.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def died(self) -> None:
        """Returns or raises when it takes nothing more unasked; after ``stopped`` it stays, so that it can be asked."""
        assert self._dispatcher is not None  # noqa: S101 - called after start
        await asyncio.wait([self._dispatcher])
        if self.stopped is not None:
            await asyncio.Event().wait()
        self._dispatcher.result()

    async def _dispatch(self) -> None:
        while not self._stopping:
            if self._slots.locked():
                await self._source.release()
            await self._slots.acquire()
            try:
                delivery = await self._source.next()
            except BaseException:
                self._slots.release()
                raise
            task = asyncio.create_task(self.process(delivery))
            self._jobs.add(task)
            task.add_done_callback(self._finished)
            self._limit.count()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker task failed", error=repr(error))

    async def process(self, delivery: Delivery) -> None:
        """Handles one delivery to its end: acknowledged, returned, terminated, or left to its ``ack_wait``."""
        started = time.monotonic()
        if delivery.deliveries > 1:
            metrics.redeliveries.labels(consumer=self._handler.consumer).inc()
        with spans.process_span(
            delivery.subject,
            consumer=self._handler.consumer,
            message_id=delivery.headers.get(HEADER_MESSAGE_ID, ""),
            headers=delivery.headers,
            deliveries=delivery.deliveries,
        ) as span:
            keep = asyncio.create_task(self._keep_alive(delivery))
            try:
                outcome = await self._settle(delivery, span)
            except asyncio.CancelledError:
                with contextlib.suppress(BusUnavailable):
                    await delivery.nak(0)
                raise
            except Unavailable as error:
                # Not confirmed: it is delivered again, and the inbox knows whether it was done.
                log.warning("delivery could not be settled", subject=delivery.subject, error=str(error))
                outcome = "unsettled"
            finally:
                keep.cancel()
            span.set_attribute(spans.OUTCOME, outcome)
        duration = metrics.message_duration.labels(consumer=self._handler.consumer, outcome=outcome)
        metrics.observe(duration, time.monotonic() - started)

    async def _settle(self, delivery: Delivery, span: Span) -> str:
        try:
            envelope = decode(delivery.payload)
        except MalformedMessage as error:
            return await self._give_up(delivery, None, error)
        job = Job(self._messenger, self._handler.consumer, envelope, delivery.deliveries)
        with structlog.contextvars.bound_contextvars(owner=envelope.owner, message_id=str(envelope.id)):
            try:
                await self._handle(job)
            except AlreadyHandledError:
                await delivery.ack()
                return "repeated"
            except Stale as error:
                # Not acknowledged: whoever owns the row now may hold this very message.
                log.info("a newer attempt owns the row", reason=str(error))
                return "stale"
            except Exception as error:  # noqa: BLE001 - a bug must not lose the message either
                spans.record_error(span, error)
                return await self._fail(delivery, job, error)
            await delivery.ack()
            return "ack"

    async def _fail(self, delivery: Delivery, job: Job, error: Exception) -> str:
        if isinstance(error, Permanent):
            return await self._give_up(delivery, job, error)
        if not isinstance(error, Temporary):
            log.error("handler failed", type=job.envelope.type, exc_info=error)
            error = Temporary(f"{type(error).__name__}: {error}")
        if delivery.deliveries >= self._settings.max_attempts:
            return await self._give_up(delivery, job, error)
        delay = error.delay
        if delay is None:
            delay = min(_NAK_CAP, self._settings.retry_delay * 2 ** (delivery.deliveries - 1))
        log.warning("will be tried again", error=str(error), attempt=delivery.deliveries, delay=delay)
        await delivery.nak(delay * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
        return "nak"

    async def _handle(self, job: Job) -> None:
        if job.deliveries > self._settings.max_deliveries:
            raise GivenUpError(
                f"not finished in {self._settings.max_deliveries} deliveries; workers may have died of it"
            )
        for attempt in range(1_000_000):
            try:
                async with self._messenger.transaction() as transaction:
                    if await inbox.seen(transaction.connection, self._handler.consumer, job.envelope.id):
                        raise AlreadyHandledError(f"{job.envelope.type} {job.envelope.id} is handled")
                await self._handler.handle(job)
            except Unavailable as error:
                log.warning("waiting for a server that is away", error=str(error))
                await self._wait_until_available(attempt)
            else:
                return

    async def _wait_until_available(self, attempt: int) -> None:
        while True:
            await asyncio.sleep(_OUTAGE_DELAYS[min(attempt, len(_OUTAGE_DELAYS) - 1)] * random.uniform(0.75, 1.25))  # noqa: S311
            try:
                for check in self._available:
                    await check()
            except Unavailable:
                attempt += 1
            else:
                return

    async def _give_up(self, delivery: Delivery, job: Job | None, error: HeliographError) -> str:
        try:
            buried = await self._bury(delivery, job, error)
        except Stale as stale:
            log.info("a newer attempt owns the row", reason=str(stale))
            return "stale"
        if not buried:
            await delivery.ack()
            return "repeated"
        log.error("given up", error=str(error), subject=delivery.subject)
        metrics.dead_letters.labels(service=self._service).inc()
        await delivery.term(str(error))
        if not isinstance(error, RejectedImage) and self._limit.exceeded_by_another():
            self._stop_taking()
        return "dead"

    async def _bury(self, delivery: Delivery, job: Job | None, error: HeliographError) -> bool:
        """Records the failure and its dead letter; ``False`` when the message was handled before."""
        letter = DeadLetter(
            service=self._service,
            subject=delivery.subject,
            headers=dict(delivery.headers),
            payload=delivery.payload.decode("utf-8", "replace"),
            reason=str(error),
            error=type(error).__name__,
            deliveries=delivery.deliveries,
            died_at=utc_now(),
        )
        async with self._messenger.transaction() as transaction:
            if job is not None:
                if not await inbox.record(transaction.connection, self._handler.consumer, job.envelope.id):
                    return False
                await self._handler.give_up(job, error, transaction)
            transaction.dead_letter(letter, owner=job.envelope.owner if job else "")
        return True

    def _stop_taking(self) -> None:
        log.critical("nearly everything is given up: taking no more work; mend the cause and restart")
        self.stopped = "nearly every message was given up; see the dead letters, mend the cause and restart"
        if self._dispatcher is not None:
            self._dispatcher.cancel()

    async def ready(self) -> None:
        """Health check.

        Raises:
            Unavailable: the worker has stopped taking work.
        """
        if self.stopped is not None:
            raise Unavailable(self.stopped)

    async def _keep_alive(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(delivery.ack_wait / 3)
            try:
                await delivery.in_progress()
            except Exception as error:  # noqa: BLE001 - the next one may get through; the fence covers the rest
                log.warning("sign of life was not sent", error=repr(error))
