"""What is known of workers: the last report of each, for as long as it means something, in bounded memory."""

from __future__ import annotations

import pytest
from tests.unit.operator.signal.support import handler, queue, report

from heliograph_operator.signal import fleet as module
from heliograph_operator.signal.fleet import SILENT_SECONDS, Fleet, Progress


class Progressed(list[Progress]):
    """What a fleet told."""

    def sums(self, durable: str = "q") -> tuple[float, int, int]:
        return (
            sum(each.seconds for each in self),
            sum(each.completions for each in self),
            sum(each.finished.get(durable, 0) for each in self),
        )


def test_a_process_that_is_silent_is_gone() -> None:
    fleet = Fleet(lambda _: None)
    fleet.hear(report(), 100, 0.0)
    assert [each.host for each in fleet.live(["q"], SILENT_SECONDS)] == ["pod-1"]
    assert fleet.live(["other"], 0.0) == []
    assert fleet.live(["q"], SILENT_SECONDS + 0.1) == []


def test_a_process_that_stopped_is_gone_at_once() -> None:
    fleet = Fleet(lambda _: None)
    fleet.hear(report(), 100, 0.0)
    fleet.hear(report(stopped=True), 100, 0.5)
    assert fleet.live(["q"], 0.5) == []


def test_what_a_process_returned_is_known_until_it_is_due_even_when_the_process_is_gone() -> None:
    fleet = Fleet(lambda _: None)
    fleet.hear(report(handler(queue("q", 0, (5, 2), (100, 1))), stopped=True), 100, 0.0)
    assert [fleet.delayed("q", now) for now in (0.0, 4.9, 5.0, 99.0, 100.0)] == [3, 3, 1, 1, 0]
    fleet.tidy(90.0)
    assert fleet.delayed("q", 90.0) == 1
    fleet.tidy(101.0)
    assert fleet._processes == {}
    assert fleet._bytes == 0


def test_the_first_report_of_a_process_is_where_counting_begins() -> None:
    told = Progressed()
    fleet = Fleet(told.append)
    fleet.hear(report(handler(queue("q", 1_000), busy_seconds=500.0, completions=1_000)), 100, 0.0)
    assert told == []
    fleet.hear(report(handler(queue("q", 1_003), busy_seconds=501.5, completions=1_004)), 100, 1.0)
    assert told.sums() == (1.5, 4, 3)


def test_what_a_process_did_before_its_first_report_counts_if_it_began_while_there_was_listening() -> None:
    told = Progressed()
    fleet = Fleet(told.append)
    fresh = handler(queue("q", 5), busy_seconds=0.5, completions=6)
    fleet.hear(report(fresh, up=0.9), 100, 0.0, listening=0.8)
    assert told == []
    fleet.hear(report(fresh, up=0.9, process="p2"), 100, 0.0, listening=1.0)
    assert told.sums() == (0.5, 6, 5)


def test_a_process_that_was_not_heard_for_a_while_goes_on_where_it_was() -> None:
    told = Progressed()
    fleet = Fleet(told.append)
    fleet.hear(report(handler(queue("q", 1))), 100, 0.0)
    fleet.tidy(50.0)
    fleet.hear(report(handler(queue("q", 41))), 100, 50.0)
    assert told.sums()[2] == 40


def test_a_container_that_restarted_counts_from_its_own_start() -> None:
    told = Progressed()
    fleet = Fleet(told.append)
    fleet.hear(report(handler(queue("q", 100), completions=100, busy_seconds=9.0), process="before"), 100, 0.0)
    fleet.hear(report(handler(queue("q", 0)), process="after"), 100, 1.0)
    fleet.hear(report(handler(queue("q", 2), completions=2, busy_seconds=0.5), process="after"), 100, 2.0)
    assert told.sums() == (0.5, 2, 2)


def test_counts_that_fall_are_none() -> None:
    told = Progressed()
    fleet = Fleet(told.append)
    fleet.hear(report(handler(queue("q", 100), completions=100, busy_seconds=9.0)), 100, 0.0)
    fleet.hear(report(handler(queue("q", 1), completions=1, busy_seconds=1.0)), 100, 1.0)
    assert told.sums() == (0.0, 0, 0)


def test_a_handler_that_appears_later_begins_then() -> None:
    told = Progressed()
    fleet = Fleet(told.append)
    fleet.hear(report(handler()), 100, 0.0)
    fleet.hear(report(handler(), handler(queue("new", 50), consumer="another")), 100, 1.0)
    assert told.sums("new")[2] == 0


def test_processes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROCESSES", 3)
    fleet = Fleet(lambda _: None)
    assert [fleet.hear(report(process=str(number)), 100, 0.0) for number in range(5)] == [True] * 3 + [False] * 2
    assert fleet.hear(report(process="0"), 100, 1.0), "who is known may go on"
    fleet.tidy(60.5)
    assert fleet.hear(report(process="4"), 100, 60.5)


def test_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES", 1_000)
    fleet = Fleet(lambda _: None)
    assert fleet.hear(report(process="1"), 600, 0.0)
    assert not fleet.hear(report(process="2"), 500, 0.0)
    assert not fleet.hear(report(process="1"), 1_001, 0.0)
    assert fleet.hear(report(process="1"), 300, 0.0)
    assert fleet.hear(report(process="2"), 700, 0.0)
    assert fleet._bytes == 1_000
