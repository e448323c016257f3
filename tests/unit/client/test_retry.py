"""How long to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from heliograph_client.retry import RetryPolicy, retry_after

POLICY = RetryPolicy(attempts=5, first=0.5, longest=8, patience=30)


@given(st.integers(1, 4), st.none() | st.floats(0, 30))
def test_waits_are_bounded_and_never_shorter_than_asked(failures: int, server_delay: float | None) -> None:
    delay = POLICY.delay(failures, server_delay)
    assert delay is not None
    assert (server_delay or 0) <= delay <= (8 if server_delay is None else server_delay + 0.5)


@given(st.integers(1, 10_000))
def test_backing_off_never_ends(failures: int) -> None:
    assert 0.25 <= POLICY.backoff(failures) <= 8


def test_giving_up() -> None:
    assert POLICY.delay(5) is None
    assert POLICY.delay(1, 31) is None
    assert POLICY.delay(4) is not None
    assert POLICY.delay(4, answered=False) is None


def test_retry_after_header() -> None:
    assert retry_after(None) is None
    assert retry_after("soon") is None
    assert retry_after(" 7 ") == 7
    later = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True))
    assert later is not None
    assert 80 < later <= 100
    assert retry_after(format_datetime(datetime.now(UTC) - timedelta(seconds=100), usegmt=True)) == 0
