"""Reports of workers, in few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from heliograph_common.bus.consumers import ConsumerState
from heliograph_common.contracts.worker_report import HandlerReport, QueueReport, WorkerReport
from heliograph_operator.model import ScalerSpec, Target

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def queue(durable: str = "q", finished: int = 0, *delayed: tuple[int, int]) -> QueueReport:
    return QueueReport(durable=durable, finished=finished, delayed=delayed)


def handler(*queues: QueueReport, **fields: Any) -> HandlerReport:
    """A handler of ``queues``, by default one that is idle and takes messages."""
    idle = {"slots": 4, "busy": 0, "stalled": 0, "taking": True, "busy_seconds": 0.0, "completions": 0}
    return HandlerReport(**({"consumer": "sample", "queues": queues or (queue(),)} | idle | fields))


def report(
    *handlers: HandlerReport, process: str = "p1", host: str = "pod-1", stopped: bool = False, up: float = 60.0
) -> WorkerReport:
    """A process that has run for a minute."""
    return WorkerReport(
        service="sample",
        host=host,
        pid=1,
        process=process,
        up_seconds=up,
        stopped=stopped,
        handlers=handlers or (handler(),),
    )


def state(pending: int = 0, unacked: int = 0, *, paused: bool = False, age: int = 0) -> ConsumerState:
    """How a consumer stands; with another ``age`` it is another one."""
    return ConsumerState(pending, unacked, paused, CREATED + timedelta(seconds=age))


def spec(*consumers: str, stream: str = "WORK") -> ScalerSpec:
    return ScalerSpec(
        target=Target("Deployment", "sample"),
        stream=stream,
        consumers=consumers or ("q",),
        min_replicas=0,
        max_replicas=10,
        drain_seconds=20.0,
        stabilization_seconds=90.0,
        utilization=0.8,
        slots=1,
        service_seconds=0.5,
        dry_run=False,
    )
