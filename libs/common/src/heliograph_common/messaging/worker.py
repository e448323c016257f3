"""Turns deliveries into effects, each exactly once, with a fixed number of slots.

Each delivery is an attempt at a piece of work, whose row says whether it is still to be done, how often it was begun and by
whom (``job``, ``db.work``); how often NATS delivered its message is for metrics. The effect, its messages, the inbox row
and the end of the work commit together (``Job.conclude``), and only then the delivery is acknowledged. What goes wrong is
one of three things: permanent (buried: ``burial``), temporary (given back with a delay, a bounded number of times), or a
server that is away: then the worker keeps what it has in hand and waits, for as long as a job may be held, and nothing is
counted. An outage that the servers themselves do not confirm is a failure like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import structlog
from opentelemetry.trace import Span

from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID, decode
from heliograph_common.errors import (
    HeliographError,
    MalformedMessage,
    Permanent,
    RejectedImage,
    RemoteFailure,
    Stale,
    Temporary,
    Unavailable,
)
from heliograph_common.messaging.burial import bury
from heliograph_common.messaging.job import AlreadyHandledError, Job
from heliograph_common.messaging.pause_after_failures import PauseAfterFailures
from heliograph_common.messaging.ports import Delivery, Handler, Source
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.messaging.workload import Workload
from heliograph_common.telemetry import metrics, spans

log = structlog.get_logger(__name__)

_Claim = TypeVar("_Claim")

_OUTAGE_DELAYS = (0.5, 1.0, 2.0, 5.0)
_UNCONFIRMED = 3
"""Outages in a row that the servers do not confirm, before it is the work that cannot be done."""
_RETURN_DELAY = 5.0
_GATE_SECONDS = 0.5
_LONGEST_DELAY = 60.0
_SETTLE_SECONDS = 30.0
_HAND_BACK_SECONDS = 2.0


@dataclass(frozen=True)
class WorkerSettings:
    """``slots``: messages handled at one time. ``max_temporary_failures``: temporary failures of one piece of work, the last
    of which is final. ``max_unfinished_attempts``: attempts begun that never ended, as when a worker dies of one.
    ``hold_seconds``: the longest that one attempt may take, waiting for servers included. ``retry_delay``: seconds before
    the second attempt, doubled with each."""

    slots: int
    max_temporary_failures: int = 8
    max_unfinished_attempts: int = 10
    hold_seconds: float = 300.0
    retry_delay: float = 1.0


class Worker(Generic[_Claim]):
    """A component that hands deliveries of ``source`` to ``handler``."""

    def __init__(  # noqa: PLR0913 - the parts of a worker
        self,
        service: str,
        source: Source,
        handler: Handler[_Claim],
        messenger: Messenger,
        settings: WorkerSettings,
        *,
        available: Sequence[Callable[[], Awaitable[None]]] = (),
        gate: Callable[[], bool] = lambda: True,
        limit: PauseAfterFailures | None = None,
        name: str | None = None,
    ) -> None:
        """``available``: checks of the servers that the handler needs; each raises ``Unavailable`` while it is away.
        ``gate``: while it says ``False``, nothing is taken, so that others get it."""
        self.name = name or f"worker-{service}"
        self._service = service
        self._source = source
        self._handler = handler
        self._messenger = messenger
        self._settings = settings
        self._available = available
        self._gate = gate
        self._identity = f"{service}@{socket.gethostname()}:{os.getpid()}"
        self._slots = asyncio.Semaphore(settings.slots)
        self._jobs: set[asyncio.Task[None]] = set()
        self._dispatcher: asyncio.Task[None] | None = None
        self._limit = limit or PauseAfterFailures()
        self._paused_until = 0.0
        self._stopping = False
        self.load = Workload(handler.consumer, settings.slots, self._taking, stopping=lambda: self._stopping)
        """Slots in use and what they did."""

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
        """Returns or raises when it takes nothing more unasked."""
        assert self._dispatcher is not None  # noqa: S101 - called after start
        await asyncio.wait([self._dispatcher])
        self._dispatcher.result()

    async def ready(self) -> None:
        """Health check.

        Raises:
            Unavailable: the worker has failed at nearly everything and pauses.
        """
        left = self._paused_until - time.monotonic()
        if left > 0:
            raise Unavailable(f"too many failures, paused; see the log and the dead letters. Continues in {left:.0f} s")

    def _taking(self) -> bool:
        return not self._stopping and self._paused_until <= time.monotonic() and self._gate()

    async def _dispatch(self) -> None:
        while not self._stopping:
            if self._slots.locked() or self._paused_until > time.monotonic():
                await self._source.release()
            await self._slots.acquire()
            try:
                await asyncio.sleep(self._paused_until - time.monotonic())
                await self._pass_gate()
                delivery = await self._source.next()
            except BaseException:
                self._slots.release()
                raise
            task = asyncio.create_task(self.process(delivery))
            self._jobs.add(task)
            task.add_done_callback(self._finished)

    async def _pass_gate(self) -> None:
        while not self._gate():
            await self._source.release()
            await asyncio.sleep(_GATE_SECONDS)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker task failed", error=repr(error))

    async def process(self, delivery: Delivery) -> None:
        """Handles one delivery to its end: acknowledged, returned, terminated, or left to come again."""
        started = time.monotonic()
        if delivery.deliveries > 1:
            metrics.redeliveries.labels(consumer=self._handler.consumer).inc()
        with (
            self.load.handling(),
            spans.process_span(
                delivery.subject,
                consumer=self._handler.consumer,
                message_id=delivery.headers.get(HEADER_MESSAGE_ID, ""),
                headers=delivery.headers,
                deliveries=delivery.deliveries,
            ) as span,
        ):
            delivery.hold(self._settings.hold_seconds + _SETTLE_SECONDS)
            try:
                outcome = await self._settle(delivery, span)
            except Unavailable as error:
                # Not confirmed: it is delivered again, and the row knows whether it was done.
                log.warning("acknowledgement failed", subject=delivery.subject, error=str(error))
                outcome = "unsettled"
            finally:
                delivery.release()
            span.set_attribute(spans.OUTCOME, outcome)
        self.load.ended(outcome)
        duration = metrics.message_duration.labels(consumer=self._handler.consumer, outcome=outcome)
        metrics.observe(duration, time.monotonic() - started)

    async def _settle(self, delivery: Delivery, span: Span) -> str:
        try:
            envelope = decode(delivery.payload)
        except MalformedMessage as error:
            return await self._give_up(delivery, None, error)
        job = Job(self._messenger, self._handler.consumer, envelope, delivery.subject, worker=self._identity)
        with structlog.contextvars.bound_contextvars(owner=envelope.owner, message_id=str(envelope.id)):
            try:
                job.read(self._handler.command)
                await self._attempt(job)
            except AlreadyHandledError:
                await delivery.ack()
                return "repeated"
            except Stale as error:
                return await self._stale(delivery, job, error)
            except asyncio.CancelledError:
                await self._hand_back(delivery, job)
                raise
            except Exception as error:  # noqa: BLE001 - a bug must not lose the message either
                spans.record_error(span, error)
                return await self._failed(delivery, job, error)
            self._limit.succeeded()
            await delivery.ack()
            return "ack"

    async def _attempt(self, job: Job) -> None:
        """Begins and does the work, over and over while servers are away, until it is done or the hold is over.

        Raises:
            Unavailable: the hold was over and a server still away.
            Temporary: it took too long; or it fails as if a server were away, and the servers say that they are there.
        """
        hold = self._settings.hold_seconds
        outage: Unavailable | None = None
        unconfirmed = 0
        try:
            async with asyncio.timeout(hold) as limit:
                while True:
                    try:
                        await self._try(job)
                    except Unavailable as error:
                        log.warning("waiting for an unavailable server", error=str(error))
                        outage = error
                        with self.load.waiting():
                            unconfirmed = 0 if await self._wait_until_available(unconfirmed) else unconfirmed + 1
                        if unconfirmed > _UNCONFIRMED:
                            raise Temporary(
                                f"{error}; it failed {unconfirmed} times although all servers are available"
                            ) from error
                        outage = None
                    else:
                        return
        except TimeoutError:
            if not limit.expired():
                raise
            raise outage or Temporary(f"it took longer than {hold:g} s") from None

    async def _try(self, job: Job) -> None:
        hold = timedelta(seconds=self._settings.hold_seconds)
        claim = await job.begin(self._handler, hold=hold, most=self._settings.max_unfinished_attempts)
        if claim is not None:
            await self._handler.handle(job, claim)

    async def _wait_until_available(self, patience: int) -> bool:
        """Returns once all servers are there; whether one of them was away."""
        away = False
        while True:
            delay = _OUTAGE_DELAYS[min(patience, len(_OUTAGE_DELAYS) - 1)]
            await asyncio.sleep(delay * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
            try:
                for check in self._available:
                    await check()
            except Unavailable:
                patience, away = patience + 1, True
            else:
                return away

    async def _failed(self, delivery: Delivery, job: Job, error: Exception) -> str:
        try:
            return await self._fail(delivery, job, error)
        except AlreadyHandledError:
            await delivery.ack()
            return "repeated"
        except Stale as stale:
            return await self._stale(delivery, job, stale)

    async def _stale(self, delivery: Delivery, job: Job, error: Stale) -> str:
        log.info("attempt superseded", reason=str(error))
        if await job.is_over():
            await delivery.ack()
        # Else not acknowledged: whoever owns the work now may hold this very message.
        return "stale"

    async def _fail(self, delivery: Delivery, job: Job, error: Exception) -> str:
        if isinstance(error, Permanent):
            return await self._give_up(delivery, job, error)
        if isinstance(error, Unavailable):
            await job.give_back(_RETURN_DELAY, failed=False)
            await delivery.nak(_RETURN_DELAY)
            return "returned"
        if not isinstance(error, Temporary):
            log.error("handler failed", type=job.envelope.type, exc_info=error)
            flaw, error = error, Temporary("the service failed at it; its log and the dead letter say why")
            error.__cause__ = flaw
        if job.fence is None:  # what failed was its beginning, which must not go on for ever either
            await job.take(self._handler, hold=timedelta(seconds=_SETTLE_SECONDS))
        if job.failures + 1 >= self._settings.max_temporary_failures:
            return await self._give_up(delivery, job, error)
        delay = error.delay
        if delay is None:
            delay = min(_LONGEST_DELAY, self._settings.retry_delay * 2**job.failures)
        delay *= random.uniform(0.75, 1.25)  # noqa: S311 - jitter
        log.warning("attempt failed, retrying", error=str(error), failures=job.failures + 1, delay=delay)
        await job.give_back(delay, failed=True)
        if not isinstance(error, RemoteFailure):
            self._note_failure()
        await delivery.nak(delay)
        return "nak"

    async def _hand_back(self, delivery: Delivery, job: Job) -> None:
        """Returns what a worker that stops has not finished, at no cost to it."""
        with contextlib.suppress(HeliographError, TimeoutError):
            async with asyncio.timeout(_HAND_BACK_SECONDS):
                await job.give_back(0, failed=False)
        with contextlib.suppress(HeliographError, TimeoutError):
            async with asyncio.timeout(_HAND_BACK_SECONDS):
                await delivery.nak(0)

    async def _give_up(self, delivery: Delivery, job: Job | None, error: HeliographError) -> str:
        if not await bury(self._messenger, self._service, delivery, job, error, self._handler):
            await delivery.ack()
            return "repeated"
        log.error("work failed", error=str(error), subject=delivery.subject)
        metrics.dead_letters.labels(service=self._service).inc()
        if isinstance(error, RejectedImage):
            self._limit.succeeded()
        elif not isinstance(error, RemoteFailure):
            self._note_failure()
        await delivery.term(str(error))
        return "dead"

    def _note_failure(self) -> None:
        pause = self._limit.failed()
        if pause is not None:
            log.critical("failure limit reached, worker paused", seconds=pause)
            self._paused_until = time.monotonic() + pause
