"""What is noted about NATS, by an injected clock."""

from __future__ import annotations

import pytest

from heliograph_common.bus.health import BusHealth
from heliograph_common.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def health(clock: ManualClock) -> BusHealth:
    return BusHealth(clock)


def test_nothing_noted_is_nothing_wrong(health: BusHealth) -> None:
    assert (health.down_for(), health.reason()) == (0.0, None)


def test_a_failure_counts_from_its_first_note(health: BusHealth, clock: ManualClock) -> None:
    health.failed("pull a", "first")
    clock.now += 3
    health.failed("pull a", "second")
    clock.now += 4
    assert health.down_for() == 7
    assert health.reason() == "pull a: second"


def test_a_success_ends_it_for_its_kind_alone(health: BusHealth, clock: ManualClock) -> None:
    health.failed("pull a", "gone")
    clock.now += 1
    health.failed("pull b", "gone too")
    clock.now += 1
    health.succeeded("pull a")
    assert health.down_for() == 1
    assert health.reason() == "pull b: gone too"
    health.succeeded("pull b")
    assert health.down_for() == 0


def test_the_kind_that_fails_longest_decides(health: BusHealth, clock: ManualClock) -> None:
    health.failed("publish WORK", "full")
    clock.now += 5
    health.failed("connection", "lost")
    clock.now += 1
    assert health.down_for() == 6
    assert health.reason() == "publish WORK: full"


def test_families_choose_what_counts(health: BusHealth, clock: ManualClock) -> None:
    health.failed("publish WORK", "full")
    clock.now += 5
    assert health.down_for("connection", "pull") == 0
    assert health.reason("connection", "pull") is None
    health.failed("pull a", "gone")
    clock.now += 2
    assert health.down_for("connection", "pull") == 2
    assert health.down_for("publish") == 7


def test_a_note_that_does_not_last_is_void_unless_repeated(health: BusHealth, clock: ManualClock) -> None:
    health.failed("publish WORK", "full", lasts=10)
    clock.now += 9
    health.failed("publish WORK", "full", lasts=10)
    clock.now += 9
    assert health.down_for() == 18
    clock.now += 1
    assert health.down_for() == 0
    health.failed("publish WORK", "full again", lasts=10)
    clock.now += 1
    assert health.down_for() == 1
