"""Reports go out each second and once more at the end, and disturb nobody."""

from __future__ import annotations

from tests.components import started
from tests.polling import until

from heliograph_common.bus.settled import Settled
from heliograph_common.contracts import worker_report
from heliograph_common.contracts.worker_report import LONGEST, WorkerReport
from heliograph_common.messaging.worker_reports import WorkerReports
from heliograph_common.messaging.workload import Workload
from heliograph_common.telemetry import metrics
from heliograph_common.testing.clock import ManualClock


class Heard:
    """What was sent; nothing leaves while ``broken``."""

    def __init__(self) -> None:
        self.reports: list[WorkerReport] = []
        self.subjects: set[str] = set()
        self.broken = False

    async def say(self, subject: str, payload: bytes) -> None:
        if self.broken:
            raise OSError("no NATS")
        self.subjects.add(subject)
        self.reports.append(worker_report.decode(payload))


def sample(name: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, {"consumer": "reports-test"}) or 0.0


async def test_what_a_worker_does_is_reported_and_measured() -> None:
    clock, heard, settled = ManualClock(), Heard(), Settled()
    load = Workload("reports-test", 4, lambda: True, clock=clock)
    reports = WorkerReports("sample", heard.say)
    reports.add(load, {"sample-high": settled, "sample-low": Settled()})
    async with started([reports]):
        await until(lambda: heard.reports)
        with load.handling():
            clock.now += 7
            settled.finished += 2
            settled.returned(20.0)
            load.ended("ack")
            seen = len(heard.reports)
            await until(lambda: len(heard.reports) > seen)
            handler = heard.reports[-1].handlers[0]
            assert (handler.busy, handler.busy_seconds, handler.completions, handler.taking) == (1, 7.0, 1, True)
            assert not handler.stopping
            assert [(queue.durable, queue.finished) for queue in handler.queues] == [
                ("sample-high", 2),
                ("sample-low", 0),
            ]
            assert sum(count for _, count in handler.queues[0].delayed) == 1
            assert sample("heliograph_worker_busy") == 1
            assert sample("heliograph_worker_busy_seconds_total") == 7.0
            assert sample("heliograph_worker_completions_total") == 1
            assert not heard.reports[-1].stopped
    last = heard.reports[-1]
    assert last.stopped
    assert not last.handlers[0].taking
    assert last.handlers[0].stopping
    assert last.handlers[0].queues[0].delayed
    assert sample("heliograph_worker_busy") == 0
    assert heard.subjects == {"workers.sample"}
    assert len({each.process for each in heard.reports}) == 1


def test_a_worker_that_stops_says_so_while_it_finishes() -> None:
    load = Workload("reports-test", 4, lambda: False, stopping=lambda: True)
    reports = WorkerReports("sample", Heard().say)
    reports.add(load, {})
    handler = reports._made(stopped=False).handlers[0]
    assert (handler.taking, handler.stopping) == (False, True)


async def test_a_process_without_workers_reports_nothing() -> None:
    heard = Heard()
    async with started([WorkerReports("sample", heard.say)]):
        pass
    assert heard.reports == []


async def test_what_goes_wrong_is_left_at_that() -> None:
    heard = Heard()
    heard.broken = True
    reports = WorkerReports("sample", heard.say)
    reports.add(Workload("reports-test", 1, lambda: True), {})
    async with started([reports]):
        await until(lambda: reports._failed)
        heard.broken = False
        await until(lambda: heard.reports)


def test_the_longest_report_of_an_importer_can_be_read() -> None:
    settled = {f"importer-{name}": Settled(ManualClock()) for name in ("one", "two", "three")}
    for each in settled.values():
        for delay in range(1, 86_400, 10):
            each.returned(delay)
    heard = Heard()
    reports = WorkerReports("importer", heard.say)
    reports.add(Workload("importer", 4, lambda: True), settled)
    payload = worker_report.encode(reports._made(stopped=False))
    assert worker_report.decode(payload).handlers
    assert len(payload) < LONGEST
