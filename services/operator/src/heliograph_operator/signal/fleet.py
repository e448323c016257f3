"""The worker processes that there are, by their reports: the last of each, and what changed with it. No I/O here.

Whatever is sent, memory stays bounded: so many processes, so many bytes of reports. What a process returned with a delay is
remembered until it is due, even when the process is gone; a process that comes back after a pause goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from heliograph_common.contracts.worker_report import HandlerReport, QueueReport, WorkerReport

SILENT_SECONDS = 3.0
"""After which a process without a report is gone."""

BUSY_SECONDS = 60.0
"""For how long a silent process may have in hand what it last told: it, or the operator, may be short of CPU."""

PROCESSES = 4_096
BYTES = 8 << 20
"""Of reports, as they were sent."""

_REMEMBERED_SECONDS = BUSY_SECONDS


@dataclass(frozen=True)
class Progress:
    """What a handler of one process did between two reports. ``finished``: messages that left the queue, by durable."""

    seconds: float
    completions: int
    finished: Mapping[str, int]


@dataclass(frozen=True)
class Live:
    """A handler of a process that reports."""

    process: str
    host: str
    handler: HandlerReport


@dataclass(frozen=True)
class _Process:
    report: WorkerReport
    size: int
    heard_at: float

    def live(self, now: float) -> bool:
        return not self.report.stopped and now - self.heard_at <= SILENT_SECONDS

    def may_be_busy(self, now: float) -> bool:
        return not self.report.stopped and now - self.heard_at <= BUSY_SECONDS

    @property
    def place(self) -> tuple[str, str, int]:
        """Where one process runs at a time."""
        return self.report.service, self.report.host, self.report.pid

    @property
    def began(self) -> float:
        return self.heard_at - self.report.up_seconds

    def over(self, now: float) -> bool:
        """Whether nothing is known of it any more that would matter."""
        longest = max((seconds for queue in self._queues() for seconds, _ in queue.delayed), default=0)
        return now - self.heard_at > max(longest, _REMEMBERED_SECONDS)

    def delayed(self, durable: str, now: float) -> int:
        since = now - self.heard_at
        return sum(
            count
            for queue in self._queues()
            if queue.durable == durable
            for seconds, count in queue.delayed
            if seconds > since
        )

    def _queues(self) -> Iterator[QueueReport]:
        return (queue for handler in self.report.handlers for queue in handler.queues)


class Fleet:
    """``progressed`` is called with what each report adds to the one before it."""

    def __init__(self, progressed: Callable[[Progress], None]) -> None:
        self._progressed = progressed
        self._processes: dict[str, _Process] = {}
        self._bytes = 0

    def hear(self, report: WorkerReport, size: int, now: float, *, listening: float = 0.0) -> bool:
        """Takes a report of ``size`` bytes; ``False`` where there is no room for another process. Without a break there was
        ``listening`` for so many seconds: what a process did that began since was done since."""
        before = self._processes.get(report.process)
        grown = self._bytes + size - (before.size if before else 0)
        if (before is None and len(self._processes) >= PROCESSES) or grown > BYTES:
            return False
        self._processes[report.process] = _Process(report, size, now)
        self._bytes = grown
        if before is not None or report.up_seconds < listening:
            for progress in _steps(before.report if before else None, report):
                self._progressed(progress)
        return True

    def tidy(self, now: float) -> None:
        """Forgets processes that are gone, once nothing waits that they returned."""
        for name in [name for name, process in self._processes.items() if process.over(now)]:
            self._bytes -= self._processes.pop(name).size

    def live(self, durables: Collection[str], now: float) -> list[Live]:
        """The handlers that take from one of ``durables``."""
        return _handlers((process for process in self._processes.values() if process.live(now)), durables)

    def busy(self, durables: Collection[str], now: float) -> Mapping[str, int]:
        """Messages in hand by host, idle ones included, as far as they take from one of ``durables``. One that is silent
        counts with what it last told, until another process is heard in its place; one that stops does not count."""
        begun: dict[tuple[str, str, int], float] = {}
        for process in self._processes.values():
            begun[process.place] = max(process.began, begun.get(process.place, process.began))
        there = (
            process
            for process in self._processes.values()
            if process.may_be_busy(now) and begun[process.place] <= process.heard_at
        )
        busy: Counter[str] = Counter()
        for each in _handlers(there, durables):
            if not each.handler.stopping:
                busy[each.host] += each.handler.busy
        return dict(busy)

    def delayed(self, durable: str, now: float) -> int:
        """Messages of ``durable`` that were returned with a delay that is not over."""
        return sum(process.delayed(durable, now) for process in self._processes.values())


def _handlers(processes: Iterable[_Process], durables: Collection[str]) -> list[Live]:
    return [
        Live(process.report.process, process.report.host, handler)
        for process in processes
        for handler in process.report.handlers
        if any(queue.durable in durables for queue in handler.queues)
    ]


def _steps(before: WorkerReport | None, after: WorkerReport) -> Iterator[Progress]:
    """What each handler did between the two, or since the start. A count that is lower than before is no count of the same,
    and neither is one that comes up later: each process tells of all its handlers from the first time."""
    known = {handler.consumer: handler for handler in before.handlers} if before else {}
    for handler in after.handlers:
        old = known.get(handler.consumer)
        if old is not None or before is None:
            finished = {queue.durable: queue.finished for queue in old.queues} if old else {}
            yield Progress(
                seconds=max(0.0, handler.busy_seconds - (old.busy_seconds if old else 0.0)),
                completions=max(0, handler.completions - (old.completions if old else 0)),
                finished={
                    queue.durable: max(0, queue.finished - finished.get(queue.durable, queue.finished if old else 0))
                    for queue in handler.queues
                },
            )
