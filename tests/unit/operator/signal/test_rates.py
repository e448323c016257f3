"""Rates follow from what is seen each second, whatever happens between two looks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_operator.signal.rates import LEAST_SPAN, WINDOW, Arrivals, ServiceRate


def looks(arrivals: Arrivals, loads: list[tuple[float, int, int]], incarnation: object = "one") -> float:
    """The rate after looks at (time, messages in the queue, messages that left it)."""
    for at, load, finished in loads:
        arrivals.note(at, load=load, finished=finished, incarnation=incarnation)
    return arrivals.rate


@given(
    rate=st.floats(0.0, 500.0), done=st.floats(0.0, 500.0), seconds=st.integers(4, 60), before=st.integers(0, 10_000)
)
def test_arrivals_are_conserved_however_fast_messages_are_done(
    rate: float, done: float, seconds: int, before: int
) -> None:
    arrivals = Arrivals()
    for second in range(seconds + 1):
        came = before + int(rate * second)
        left = min(came, int(done * second))
        arrivals.note(float(second), load=came - left, finished=left, incarnation=1)
    assert arrivals.rate == pytest.approx(rate, abs=1.0 / min(seconds, WINDOW))


@given(phase=st.floats(0.0, 0.99), rate=st.integers(1, 100))
def test_reports_that_are_late_do_not_matter_when_they_always_are(phase: float, rate: int) -> None:
    arrivals = Arrivals()
    for second in range(31):
        came = rate * second
        arrivals.note(float(second), load=0, finished=int(came - rate * phase) if came else 0, incarnation=1)
    assert arrivals.rate == pytest.approx(rate, abs=1.0)


def test_nothing_is_told_of_a_second() -> None:
    assert looks(Arrivals(), [(0.0, 0, 0)]) == 0
    assert looks(Arrivals(), [(0.0, 0, 0), (LEAST_SPAN - 0.1, 500, 0)]) == 0
    assert looks(Arrivals(), [(0.0, 0, 0), (LEAST_SPAN, 30, 0)]) == pytest.approx(30 / LEAST_SPAN)


def test_only_the_window_counts() -> None:
    old = [(float(second), 100 * second, 0) for second in range(10)]
    quiet = [(10.0 + second, 900, 0) for second in range(11)]
    assert looks(Arrivals(), old + quiet) == 0
    assert looks(Arrivals(), old) == pytest.approx(100.0)


def test_looks_that_failed_are_averaged_over() -> None:
    assert looks(Arrivals(), [(0.0, 0, 0), (1.0, 5, 0), (21.0, 5, 100)]) == pytest.approx(5.0)


def test_after_a_long_time_without_looks_it_begins_again() -> None:
    arrivals = Arrivals()
    assert looks(arrivals, [(0.0, 0, 0), (10.0, 100, 0), (100.0, 9_000, 0)]) == 0, "who finished what is not known"
    assert looks(arrivals, [(110.0, 9_020, 0)]) == pytest.approx(2.0)


def test_a_consumer_that_was_recreated_begins_again() -> None:
    arrivals = Arrivals()
    before = [(float(second), 1_000, 0) for second in range(11)]
    assert looks(arrivals, before) == 0
    assert looks(arrivals, [(11.0, 25_000, 0)], "another") == 0
    assert looks(arrivals, [(15.0, 25_040, 0)], "another") == pytest.approx(10.0)


def test_a_purge_is_not_less_than_no_arrivals() -> None:
    assert looks(Arrivals(), [(0.0, 1_000, 0), (10.0, 0, 0)]) == 0


def test_looks_that_are_remembered_are_few() -> None:
    arrivals = Arrivals()
    for moment in range(10_000):
        arrivals.note(moment / 4, load=0, finished=0, incarnation=1)
    assert len(arrivals._samples) <= 4 * WINDOW + 2


@given(slots=st.sampled_from([1, 2, 4, 40, 400]), service=st.floats(0.02, 5.0), seed=st.integers(0, 100))
def test_the_service_rate_is_that_of_one_slot_for_few_and_many(slots: int, service: float, seed: int) -> None:
    chance = random.Random(seed)
    rate, told = ServiceRate(), 0
    for second in range(1, 301):
        busy = slots * chance.uniform(0.9, 1.0)
        done = int(slots * second * 0.95 / service)
        rate.note(1.0, seconds=busy, completions=done - told)
        told = done
    assert rate.rate(0.5) == pytest.approx(1 / service, rel=0.1)


def test_nothing_is_told_until_something_was_done() -> None:
    rate = ServiceRate()
    assert rate.rate(0.5) is None
    rate.note(1.0, seconds=0.0, completions=0)
    assert rate.rate(0.5) is None


def test_a_job_that_goes_on_and_on_lowers_the_rate() -> None:
    rate = ServiceRate()
    told: list[float] = []
    for _ in range(120):
        rate.note(1.0, seconds=1.0, completions=0)
        told.append(rate.rate(0.5) or 0)
    assert told == sorted(told, reverse=True)
    assert told[0] == pytest.approx(1 / 1.5)
    assert 0 < told[-1] < 0.03


def test_the_rate_falls_too_when_jobs_were_fast_before() -> None:
    rate = ServiceRate()
    for _ in range(60):
        rate.note(1.0, seconds=1.0, completions=10)
    assert rate.rate(0.5) == pytest.approx(10.0)
    for _ in range(300):
        rate.note(1.0, seconds=1.0, completions=0)
    slow = rate.rate(0.5)
    assert slow is not None
    assert 0 < slow < 0.5


def test_half_of_what_was_measured_is_gone_after_its_half_life() -> None:
    rate = ServiceRate()
    rate.note(1.0, seconds=1_000.0, completions=4_000)
    for _ in range(60):
        rate.note(1.0, seconds=1.0, completions=0)
    assert rate.completions == pytest.approx(2_000, rel=0.01)


def test_a_night_without_work_changes_nothing() -> None:
    rate = ServiceRate()
    for _ in range(60):
        rate.note(1.0, seconds=1.0, completions=2)
    for _ in range(100_000):
        rate.note(1.0, seconds=0.0, completions=0)
    assert rate.rate(0.5) == pytest.approx(2.0)
    rate.note(1.0, seconds=0.9, completions=0)  # the first job of the day is not done yet
    assert rate.rate(0.5) == pytest.approx(2.0, rel=0.05)


def test_a_short_job_after_an_hour_is_one_job_among_others() -> None:
    rate = ServiceRate()
    for _ in range(60):
        rate.note(1.0, seconds=1.0, completions=2)
    rate.note(3_600.0, seconds=0.01, completions=1)
    assert rate.rate(0.5) == pytest.approx(2.0, rel=0.05)


def test_the_rate_can_always_be_divided_by() -> None:
    rate = ServiceRate()
    rate.note(1.0, seconds=1.0, completions=1)
    for _ in range(200_000):
        rate.note(1.0, seconds=1.0, completions=0)
    told = rate.rate(0.5)
    assert told is not None
    assert told > 0
    only_counted = ServiceRate()
    only_counted.note(1.0, seconds=0.0, completions=3)
    assert only_counted.rate(0.5) == pytest.approx(2.0)
