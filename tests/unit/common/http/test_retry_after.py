"""What ``Retry-After`` means."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from heliograph_common.http.retry_after import seconds_told

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (" 7 ", 7.0), ("0.5", 0.5), ("-1", -1.0), ("9" * 400, math.inf), ("nan", None), ("", None), ("x", None), ("²", None),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0), ("Sat, 21 Nov 2026 12:00:30 -0000", 30.0),
        ("Sat, 21 Nov 2026 11:59:00 GMT", -60.0), ("Sat, 99 Nov 2026 12:00:00 GMT", None),
        (f"Sat, 21 Nov {'9' * 30} 12:00:30 GMT", None), (f"Sat, 21 Nov 2026 12:00:30 +{'9' * 30}", None),
    ],
)  # fmt: skip
def test_seconds_that_are_told(told: str, seconds: float | None) -> None:
    assert seconds_told(told, NOW) == seconds


def test_other_units() -> None:
    assert seconds_told("1500", unit=1000.0) == 1.5
