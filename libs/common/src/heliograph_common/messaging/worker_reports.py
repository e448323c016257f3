"""Tells the load of this process's workers: as metrics, and once a second on core NATS, where the operator hears it. Nothing
is kept for a NATS that is away, and nothing that goes wrong here disturbs a worker."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from heliograph_common.bus.settled import Settled
from heliograph_common.contracts import subjects, worker_report
from heliograph_common.contracts.worker_report import HandlerReport, QueueReport, WorkerReport
from heliograph_common.ids import new_id
from heliograph_common.messaging.workload import Workload
from heliograph_common.telemetry import metrics

log = structlog.get_logger(__name__)

Say = Callable[[str, bytes], Awaitable[object]]
"""Sends (subject, payload) to whoever listens, if NATS is there."""


class WorkerReports:
    """A component: start it before the workers, so that it stops after them and its last report is true for good."""

    name = "worker-reports"

    def __init__(self, service: str, say: Say) -> None:
        self._service = service
        self._say = say
        self._process = new_id().hex
        self._since = time.monotonic()
        self._sources: list[_Source] = []
        self._task: asyncio.Task[None] | None = None
        self._failed = False

    def add(self, workload: Workload, settled: Mapping[str, Settled]) -> None:
        """Tells of one more worker, and of what becomes of its messages, by durable. Before ``start``."""
        self._sources.append(_Source(workload, settled))

    async def start(self) -> None:
        """Begins to report, if there is a worker."""
        if self._sources:
            self._task = asyncio.create_task(self._report_for_ever(), name=self.name)

    async def stop(self, deadline_seconds: float) -> None:
        """Reports once more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._report(stopped=True)

    async def _report_for_ever(self) -> None:
        while True:
            await self._report()
            await asyncio.sleep(worker_report.EVERY_SECONDS)

    async def _report(self, *, stopped: bool = False) -> None:
        try:
            for source in self._sources:
                source.measure()
            payload = worker_report.encode(self._made(stopped=stopped))
            await self._say(subjects.workers(self._service), payload)
        except Exception:
            if not self._failed:
                log.exception("reporting the load failed; it is not logged again")
            self._failed = True

    def _made(self, *, stopped: bool) -> WorkerReport:
        return WorkerReport(
            service=self._service,
            host=socket.gethostname(),
            pid=os.getpid(),
            process=self._process,
            up_seconds=time.monotonic() - self._since,
            stopped=stopped,
            handlers=tuple(source.report(stopped=stopped) for source in self._sources),
        )


@dataclass
class _Source:
    """A worker, and what was measured of it."""

    workload: Workload
    settled: Mapping[str, Settled]
    seconds: float = 0.0
    completions: int = 0

    def measure(self) -> None:
        load, consumer = self.workload, self.workload.consumer
        metrics.worker_slots.labels(consumer=consumer).set(load.slots)
        metrics.worker_busy.labels(consumer=consumer).set(load.busy)
        metrics.worker_stalled.labels(consumer=consumer).set(load.stalled)
        seconds, completions = load.busy_seconds, load.completions
        metrics.worker_busy_seconds.labels(consumer=consumer).inc(max(0.0, seconds - self.seconds))
        metrics.worker_completions.labels(consumer=consumer).inc(completions - self.completions)
        self.seconds, self.completions = seconds, completions

    def report(self, *, stopped: bool) -> HandlerReport:
        load = self.workload
        return HandlerReport(
            consumer=load.consumer,
            slots=load.slots,
            busy=load.busy,
            stalled=load.stalled,
            taking=not stopped and load.taking,
            stopping=stopped or load.stopping,
            busy_seconds=max(0.0, self.seconds),
            completions=self.completions,
            queues=tuple(
                QueueReport(durable=durable, finished=settled.finished, delayed=settled.delayed())
                for durable, settled in self.settled.items()
            ),
        )
