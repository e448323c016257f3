"""A worker's busy time is that of its slots, while they do something."""

from __future__ import annotations

import pytest

from heliograph_common.messaging.workload import Workload
from heliograph_common.testing.clock import ManualClock


def workload(clock: ManualClock) -> Workload:
    return Workload("sample", 4, lambda: True, clock=clock)


def test_busy_time_moves_while_a_job_runs() -> None:
    clock = ManualClock()
    load = workload(clock)
    with load.handling():
        clock.now += 5
        assert (load.busy, load.busy_seconds) == (1, 5.0)
        with load.handling():
            clock.now += 1
            assert (load.busy, load.busy_seconds) == (2, 7.0)
    clock.now += 100
    assert (load.busy, load.busy_seconds) == (0, 7.0)


def test_waiting_for_a_server_is_no_busy_time() -> None:
    clock = ManualClock()
    load = workload(clock)
    with load.handling():
        clock.now += 1
        with load.waiting():
            clock.now += 60
            assert (load.busy, load.stalled) == (1, 1)
        clock.now += 1
    assert load.busy_seconds == pytest.approx(2.0)
    assert load.stalled == 0


def test_a_job_that_fails_leaves_no_slot_in_use() -> None:
    load = workload(ManualClock())
    with pytest.raises(ValueError), load.handling(), load.waiting():  # noqa: PT011 - the test's own
        raise ValueError
    assert (load.busy, load.stalled) == (0, 0)


def test_only_what_does_not_come_again_is_completed() -> None:
    load = workload(ManualClock())
    for outcome in ("ack", "repeated", "dead", "nak", "returned", "stale", "unsettled"):
        load.ended(outcome)
    assert load.completions == 3
