"""A worker may fail at some messages, not at nearly all."""

from __future__ import annotations

from heliograph_common.messaging.pause_after_failures import PauseAfterFailures
from heliograph_common.testing.clock import ManualClock


def _run(limit: PauseAfterFailures, good: int, failed: int) -> float | None:
    for _ in range(good):
        limit.succeeded()
    pause = None
    for _ in range(failed):
        pause = limit.failed() or pause
    return pause


def test_a_few_are_fine() -> None:
    assert _run(PauseAfterFailures(clock=ManualClock()), good=0, failed=19) is None


def test_nearly_all_are_too_many() -> None:
    assert _run(PauseAfterFailures(clock=ManualClock()), good=10, failed=20) == 60


def test_many_among_more_good_ones_are_fine() -> None:
    assert _run(PauseAfterFailures(clock=ManualClock()), good=100, failed=50) is None


def test_old_ones_are_forgotten() -> None:
    clock = ManualClock()
    limit = PauseAfterFailures(window=60, clock=clock)
    assert _run(limit, good=0, failed=19) is None
    clock.now += 61
    assert _run(limit, good=0, failed=19) is None


def test_pauses_grow_until_something_succeeds() -> None:
    limit = PauseAfterFailures(pause=10, longest=30, clock=ManualClock())
    assert [_run(limit, good=0, failed=20) for _ in range(3)] == [10, 20, 30]
    assert _run(limit, good=1, failed=20) == 10
