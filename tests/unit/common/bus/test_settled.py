"""What was returned with a delay is known until it is due, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.bus.settled import Settled
from heliograph_common.testing.clock import ManualClock


def test_what_was_returned_counts_until_it_is_due() -> None:
    clock = ManualClock(100.4)
    settled = Settled(clock)
    settled.returned(5.0)
    settled.returned(5.1)
    settled.returned(9.0)
    assert settled.delayed() == ((6, 2), (10, 1))
    clock.now = 106.0
    assert settled.delayed() == ((4, 1),)
    clock.now = 110.0
    assert settled.delayed() == ()


def test_what_was_returned_to_come_at_once_does_not_wait() -> None:
    settled = Settled(ManualClock())
    settled.returned(0)
    assert settled.delayed() == ()


@given(st.floats(0.001, 1e9), st.floats(0.0, 1e6))
def test_it_is_never_told_to_wait_much_longer_or_shorter_than_it_does(delay: float, now: float) -> None:
    settled = Settled(ManualClock(now))
    settled.returned(delay)
    ((seconds, count),) = settled.delayed() or ((0, 1),)
    real = min(delay, 86_400)
    assert count == 1
    assert real * 31 / 32 - 2 <= seconds <= real + 2


def test_memory_is_bounded_however_much_is_returned() -> None:
    clock = ManualClock()
    settled = Settled(clock)
    for number in range(100_000):
        settled.returned((number * 7919) % 90_000)
        clock.now += 0.01
    assert len(settled._due) < 1_000
    assert len(settled.delayed()) < 1_000
