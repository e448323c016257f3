"""How fast an import goes, and how long it will take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_importer.tally.rates import remaining, smoothed


def test_it_begins_with_the_first_file() -> None:
    assert smoothed(None, 0, 0.5) is None
    assert smoothed(None, 10, 0.5) == 20
    assert smoothed(3.0, 10, 0.0) == 3.0


@given(st.floats(0.1, 1000), st.lists(st.floats(0.1, 30), min_size=1, max_size=20))
def test_a_steady_rate_stays_whatever_the_intervals(rate: float, intervals: list[float]) -> None:
    found: float | None = None
    for seconds in intervals:
        found = smoothed(found, rate * seconds, seconds)
    assert found == pytest.approx(rate)


@given(st.integers(2, 40))
def test_it_does_not_depend_on_how_often_it_is_taken(parts: int) -> None:
    split: float | None = 10.0
    for _ in range(parts):
        split = smoothed(split, 90 / parts, 30 / parts)
    assert split == pytest.approx(smoothed(10.0, 90, 30))


def test_what_is_left_takes_as_long_as_the_rate_says() -> None:
    assert remaining(100, 4.0) == 25.0
    assert remaining(0, None) == 0.0
    assert remaining(5, None) is remaining(5, 0.0) is None
