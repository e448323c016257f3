"""The signal that follows from how consumers stand and from what workers tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.signal.support import handler, queue, report, spec, state

from heliograph_common.bus.consumers import ConsumerState
from heliograph_common.contracts.worker_report import WorkerReport
from heliograph_operator.model import Signal
from heliograph_operator.signal.fleet import Fleet
from heliograph_operator.signal.series import Series


class OneScaler:
    """One scaler of ``consumers``, at seconds that the test tells."""

    def __init__(self, *consumers: str) -> None:
        self.spec = spec(*consumers)
        self.series = Series(self.spec.consumers, 0.0)
        self.fleet = Fleet(self.series.note)

    def hear(self, now: float, *reports: WorkerReport) -> None:
        for each in reports:
            self.fleet.hear(each, 100, now)

    def look(self, now: float, **states: ConsumerState | None) -> Signal:
        return self.series.look(states, self.fleet, self.spec, now)


def test_what_waits_and_what_is_in_hand_is_the_backlog() -> None:
    signal = OneScaler("a", "b").look(0.0, a=state(3, 2), b=state(4, 0))
    assert (signal.backlog, signal.in_flight) == (9, 2)
    assert (signal.service_rate, signal.slots, signal.busy, signal.stalled) == (None, None, {}, False)


def test_what_waits_for_a_delayed_retry_does_not_count_until_it_is_due() -> None:
    world = OneScaler()
    world.hear(0.0, report(handler(queue("q", 0, (5, 3)))))
    assert world.look(0.0, q=state(0, 4)).backlog == 1
    world.hear(1.0, report(handler(queue("q", 0, (4, 3))), stopped=True))
    assert world.look(4.9, q=state(0, 3)).backlog == 0
    assert world.look(5.1, q=state(0, 3)).backlog == 3


@given(unacked=st.integers(0, 50), told=st.integers(0, 50))
def test_no_report_makes_a_backlog_negative_or_hides_what_waits(unacked: int, told: int) -> None:
    world = OneScaler()
    world.hear(0.0, report(handler(queue("q", 0, (5, told)))))
    signal = world.look(0.0, q=state(7, unacked))
    assert signal.backlog >= 7
    assert signal.backlog - signal.in_flight == 7
    assert signal.in_flight == max(0, unacked - told)


def test_messages_of_paused_consumers_do_not_count() -> None:
    world = OneScaler("a", "b")
    for second in range(5):
        signal = world.look(float(second), a=state(100 * second, 5, paused=True), b=state(1, 0))
    assert (signal.backlog, signal.in_flight, signal.arrival_rate) == (1, 0, 0.0)
    assert signal.paused == ("a",)


def test_consumers_that_do_not_exist_are_named() -> None:
    signal = OneScaler("a", "b").look(0.0, a=None, b=state(1, 0))
    assert signal.missing == ("a",)
    assert signal.backlog == 1


def test_a_consumer_that_comes_back_begins_again() -> None:
    world = OneScaler()
    for second, each in enumerate([state(0), state(0), None, None, state(5_000, age=2), state(5_000, age=2)]):
        assert world.look(float(second), q=each).arrival_rate == 0


def test_arrivals_of_all_consumers_are_added_with_what_was_finished() -> None:
    world = OneScaler("a", "b")
    for second in range(11):
        world.hear(second, report(handler(queue("a", 10 * second), queue("b", 2 * second))))
        signal = world.look(float(second), a=state(5), b=state(second, 0))
    assert signal.arrival_rate == pytest.approx(13.0)


def test_the_service_rate_is_of_handlers_that_take_from_these_consumers() -> None:
    world = OneScaler("a")
    for second in range(11):
        ours = handler(queue("a"), consumer="ours", busy_seconds=2.0 * second, completions=10 * second)
        others = handler(queue("x"), consumer="others", busy_seconds=50.0 * second, completions=second)
        world.hear(second, report(ours, others), report(ours, process="p2", host="pod-2"))
        signal = world.look(float(second), a=state())
    assert signal.service_rate == pytest.approx(5.0)


def test_slots_are_those_of_a_process_and_stay_known_without_one() -> None:
    world = OneScaler("a", "b")
    both = (handler(queue("a"), slots=4), handler(queue("b"), consumer="other", slots=2))
    world.hear(0.0, report(*both), report(*both, process="p2", host="pod-2"))
    assert world.look(0.0, a=state(), b=state()).slots == 6
    assert world.look(60.0, a=state(), b=state()).slots == 6


def test_busy_is_told_by_host_idle_ones_included() -> None:
    world = OneScaler()
    world.hear(0.0, report(handler(busy=3)), report(process="p2", host="pod-2"))
    signal = world.look(0.0, q=state(0, 3))
    assert signal.busy == {"pod-1": 3, "pod-2": 0}
    assert signal.backlog == 3


def test_a_pod_that_is_silent_is_as_busy_as_it_last_said_for_a_minute() -> None:
    """Its process may be short of CPU, or the operator's own."""
    world = OneScaler()
    world.hear(0.0, report(handler(busy=3)), report(process="p2", host="pod-2"))
    world.hear(30.0, report(process="p2", host="pod-2"))
    assert world.look(30.0, q=state(0, 3)).busy == {"pod-1": 3, "pod-2": 0}
    assert world.look(60.0, q=state(0, 3)).busy == {"pod-1": 3, "pod-2": 0}
    assert world.look(60.1, q=state(0, 3)).busy == {"pod-2": 0}


def test_a_process_that_stopped_has_nothing_in_hand() -> None:
    world = OneScaler()
    world.hear(0.0, report(handler(busy=3)))
    world.hear(1.0, report(handler(busy=3), stopped=True))
    assert world.look(1.0, q=state(0, 3)).busy == {}


def test_a_container_that_restarted_has_in_hand_what_its_new_process_says() -> None:
    world = OneScaler()
    world.hear(0.0, report(handler(busy=3)))
    world.hear(5.0, report(process="p2", up=1.0))
    assert world.look(5.0, q=state(0, 3)).busy == {"pod-1": 0}
    world.hear(5.0, report(handler(busy=2), process="beside", up=60.0))
    assert world.look(5.0, q=state(0, 3)).busy == {"pod-1": 2}


def test_work_that_was_taken_from_its_row_is_in_flight_too() -> None:
    world = OneScaler()
    world.hear(0.0, report(handler(busy=2)))
    assert world.look(0.0, q=state(5, 0)).in_flight == 2


def test_work_of_consumers_of_others_is_not_in_flight() -> None:
    world = OneScaler("a")
    world.hear(0.0, report(handler(queue("a"), queue("b"), busy=2)))
    assert world.look(0.0, a=state()).in_flight == 0


@pytest.mark.parametrize(
    ("fields", "stalled"),
    [
        ({}, False),
        ({"busy": 2}, False),
        ({"busy": 2, "stalled": 1}, False),
        ({"busy": 2, "stalled": 2}, True),
        ({"taking": False}, True),
    ],
)
def test_workers_are_stalled_when_more_of_them_would_do_no_more(fields: dict[str, int], stalled: bool) -> None:
    world = OneScaler()
    world.hear(0.0, report(handler(**fields)))
    assert world.look(0.0, q=state(9)).stalled is stalled
    world.hear(0.0, report(process="p2", host="pod-2"))
    assert world.look(0.0, q=state(9)).stalled is False


def test_workers_that_stop_do_not_count_as_stalled_nor_as_busy_nor_for_slots() -> None:
    world = OneScaler()
    stopping = handler(busy=2, slots=40, taking=False, stopping=True)
    world.hear(0.0, report(stopping))
    signal = world.look(0.0, q=state(9, 2))
    assert (signal.stalled, signal.slots, signal.busy) == (False, None, {})
    assert signal.in_flight == 2
    world.hear(0.0, report(handler(busy=1), process="p2", host="pod-2"))
    signal = world.look(0.0, q=state(9, 3))
    assert (signal.stalled, signal.slots, signal.busy) == (False, 4, {"pod-2": 1})
    world.hear(0.0, report(handler(busy=1, stalled=1), process="p2", host="pod-2"))
    assert world.look(0.0, q=state(9, 3)).stalled


def test_what_workers_that_stop_take_from_its_row_is_in_flight_until_it_is_done() -> None:
    world = OneScaler()
    world.hear(0.0, report(handler(busy=2, taking=False, stopping=True)))
    assert world.look(0.0, q=state(0, 0)).in_flight == 2


def test_processes_that_report_are_counted_and_those_that_are_silent_are_not() -> None:
    world = OneScaler("a", "b")
    both = (handler(queue("a")), handler(queue("b"), consumer="other"))
    assert world.look(0.0, a=state(), b=state()).workers == 0
    world.hear(0.0, report(*both), report(*both, process="p2", host="pod-2"))
    world.hear(0.0, report(handler(queue("x")), process="p3", host="pod-3"))
    assert world.look(0.0, a=state(), b=state()).workers == 2
    world.hear(2.0, report(handler(queue("a"), stopping=True), process="p2", host="pod-2"))
    assert world.look(2.0, a=state(), b=state()).workers == 1
    assert world.look(4.0, a=state(), b=state()).workers == 0
