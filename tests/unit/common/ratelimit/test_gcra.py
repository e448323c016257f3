"""Properties of the buckets, over any limit and any course of requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from heliograph_common.ratelimit.gcra import Decision, Limit, decision, take

NONE = timedelta()

limits = st.builds(Limit, quota=st.integers(1, 2000), window_seconds=st.integers(1, 3600), burst=st.integers(1, 50))
pauses = st.lists(st.integers(0, 5_000_000).map(lambda us: timedelta(microseconds=us)), min_size=1, max_size=60)


def course(limit: Limit, waits: Sequence[timedelta]) -> list[tuple[timedelta, Decision]]:
    """When each request came, the first at 0 after its pause, and what became of it."""
    now, full_at, seen = NONE, NONE, []
    for wait in waits:
        now += wait
        what, full_in = take(limit, full_at - now)
        full_at = now + max(full_in, NONE)
        seen.append((now, what))
    return seen


@given(limits, pauses)
def test_no_period_has_more_than_burst_and_what_it_wins_back(limit: Limit, waits: list[timedelta]) -> None:
    allowed = [moment for moment, what in course(limit, waits) if what.allowed]
    for first, begin in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= limit.burst + (allowed[last] - begin) // limit.interval


@given(limits, pauses)
def test_nobody_is_refused_before_that(limit: Limit, waits: list[timedelta]) -> None:
    """The same bound, met: a refused request would have been one too many in the period since some earlier one."""
    seen = course(limit, waits)
    for number, (moment, what) in enumerate(seen):
        if not what.allowed:
            before = [earlier for earlier, other in seen[:number] if other.allowed]
            assert any(
                len(before) - first + 1 > limit.burst + (moment - begin) // limit.interval
                for first, begin in enumerate(before)
            )


@given(limits, st.integers(1, 100))
def test_who_keeps_the_pace_is_never_refused(limit: Limit, count: int) -> None:
    assert all(what.allowed for _, what in course(limit, [limit.interval] * count))


@given(limits, pauses)
def test_what_is_told_to_remain_remains(limit: Limit, waits: list[timedelta]) -> None:
    remaining = course(limit, waits)[-1][1].remaining
    told = course(limit, [*waits, *[NONE] * (remaining + 1)])[len(waits) :]

    assert 0 <= remaining < limit.burst
    assert [what.allowed for _, what in told] == [True] * remaining + [False]
    assert [what.remaining for _, what in told] == [*range(remaining - 1, -1, -1), 0]


@given(limits, pauses)
def test_after_the_wait_there_is_one_more_and_not_before(limit: Limit, waits: list[timedelta]) -> None:
    what = course(limit, waits)[-1][1]
    least = timedelta(microseconds=1)

    def remains_after(wait: timedelta) -> int:
        asked = course(limit, [*waits, wait, *[NONE] * limit.burst])[len(waits) :]
        return sum(each.allowed for _, each in asked)

    assert NONE < what.wait <= limit.interval
    assert remains_after(what.wait) == what.remaining + 1
    if what.wait > least:
        assert remains_after(what.wait - least) == what.remaining


@given(limits, st.integers(-10_000_000, 10_000_000).map(lambda us: timedelta(microseconds=us)))
@example(Limit(1, 1, 1), NONE)
def test_a_refusal_never_asks_for_less_than_nothing(limit: Limit, full_in: timedelta) -> None:
    """The database tells how full the bucket is a moment after it refused; it may have become free meanwhile."""
    assert decision(limit, full_in, allowed=False).wait >= NONE


def test_a_limit_that_was_lowered_is_waited_for() -> None:
    _, full_in = take(Limit(1, 1, 60), timedelta(seconds=59))
    what, unchanged = take(Limit(1, 1, 5), full_in)

    assert (what, unchanged) == (Decision(False, 0, timedelta(seconds=56)), full_in)


def test_figures() -> None:
    limit = Limit(quota=100, window_seconds=1, burst=1000)

    assert (limit.interval, limit.capacity) == (timedelta(milliseconds=10), timedelta(seconds=10))
    assert take(limit, NONE) == (Decision(True, 999, timedelta(milliseconds=10)), timedelta(milliseconds=10))
    assert take(limit, timedelta(seconds=9.996))[0] == Decision(False, 0, timedelta(milliseconds=6))
