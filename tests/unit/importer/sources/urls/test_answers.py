"""What an answer means for the file, and how long a host wants to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_importer.sources.port import (
    AccessDenied,
    Missing,
    NotDownloadable,
    ProviderFailed,
    QuotaExceeded,
)
from heliograph_importer.sources.urls.answers import check, retry_after

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SHOWN = "example.com/a.jpg"


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (404, {}, Missing),
        (410, {}, Missing),
        (401, {}, AccessDenied),
        (403, {}, AccessDenied),
        (407, {}, AccessDenied),
        (451, {}, AccessDenied),
        (429, {}, QuotaExceeded),
        (429, {"retry-after": "5"}, QuotaExceeded),
        (503, {"retry-after": "5"}, QuotaExceeded),
        (503, {}, ProviderFailed),
        (503, {"retry-after": "soon"}, ProviderFailed),
        (500, {}, ProviderFailed),
        (502, {}, ProviderFailed),
        (504, {}, ProviderFailed),
        (599, {}, ProviderFailed),
        (408, {}, ProviderFailed),
        (425, {}, ProviderFailed),
        (204, {}, NotDownloadable),
        (206, {}, NotDownloadable),
        (300, {}, NotDownloadable),
        (304, {}, NotDownloadable),
        (400, {}, NotDownloadable),
        (405, {}, NotDownloadable),
        (200, {"content-type": "text/html"}, NotDownloadable),
        (200, {"content-type": "Text/HTML; charset=utf-8"}, NotDownloadable),
        (200, {"content-type": "application/xhtml+xml"}, NotDownloadable),
    ],
)
def test_an_answer_without_a_picture_is_an_error(status: int, headers: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"example\.com"):
        check(status, headers, "example.com", SHOWN)


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", "text/plain", ""])
def test_an_answer_with_content_is_read(kind: str) -> None:
    check(200, {"content-type": kind}, "example.com", SHOWN)
    check(203, {}, "example.com", SHOWN)


def test_a_host_that_wants_a_pause_is_the_budget_that_has_it() -> None:
    with pytest.raises(QuotaExceeded) as waits:
        check(429, {"retry-after": "17"}, "example.com", SHOWN)
    assert (waits.value.delay, waits.value.budget) == (17.0, "example.com")
    with pytest.raises(QuotaExceeded) as waits:
        check(429, {}, "example.com", SHOWN)
    assert waits.value.delay == 60.0


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("5", 5.0),
        (" 120 ", 120.0),
        ("0", 1.0),
        ("99999999999999999999", 21_600.0),
        ("Mon, 04 May 2026 12:01:30 GMT", 90.0),
        ("Monday, 04-May-26 12:01:30 GMT", 90.0),
        ("Mon May  4 12:01:30 2026", 90.0),
        ("Mon, 04 May 2026 11:00:00 GMT", 1.0),
        ("Mon, 04 May 2099 12:00:00 GMT", 21_600.0),
        ("", None),
        ("soon", None),
        (f"Mon, 04 May {'9' * 20} 12:00:00 GMT", None),
        (f"Mon, 04 May 2026 12:00:00 +{'9' * 20}", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(told: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": told}, NOW) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,9} [A-Z][a-z]{2} \d{1,9} \d\d:\d\d:\d\d [+-]?\w{1,9}"))
def test_any_retry_after_is_a_bounded_wait_or_none(told: str) -> None:
    seconds = retry_after({"retry-after": told}, NOW)
    assert seconds is None or 1.0 <= seconds <= 21_600.0
