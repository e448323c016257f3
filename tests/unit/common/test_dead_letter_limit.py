"""A worker may give up on some messages, not on nearly all."""

from __future__ import annotations

from heliograph_common.messaging.dead_letter_limit import DeadLetterLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _run(limit: DeadLetterLimit, good: int, dead: int) -> bool:
    for _ in range(good):
        limit.count()
    exceeded = False
    for _ in range(dead):
        limit.count()
        exceeded = limit.exceeded_by_another()
    return exceeded


def test_a_few_are_fine() -> None:
    assert not _run(DeadLetterLimit(clock=Clock()), good=0, dead=19)


def test_nearly_all_are_too_many() -> None:
    assert _run(DeadLetterLimit(clock=Clock()), good=10, dead=20)


def test_many_among_more_good_ones_are_fine() -> None:
    assert not _run(DeadLetterLimit(clock=Clock()), good=100, dead=50)


def test_old_ones_are_forgotten() -> None:
    clock = Clock()
    limit = DeadLetterLimit(window=60, clock=clock)
    assert not _run(limit, good=0, dead=19)
    clock.now = 61
    assert not _run(limit, good=0, dead=19)
