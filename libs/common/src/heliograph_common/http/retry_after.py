"""What a server asks to wait, as ``Retry-After`` says it: a number of seconds or a date (RFC 9110, 10.2.3). Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_told(told: str, now: datetime | None = None, *, unit: float = 1.0) -> float | None:
    """The seconds that ``told`` asks for, negative for a date that has passed; ``None`` if it makes no sense. ``unit``: how
    many of its number make a second. Whoever asks has to say how much it believes: the number may be infinite."""
    told = told.strip()
    seconds = _number(told)
    return _until(told, now or datetime.now(UTC)) if seconds is None else seconds / unit


def _number(told: str) -> float | None:
    try:
        seconds = float(told)
    except ValueError:
        return None
    return None if math.isnan(seconds) else seconds


def _until(told: str, now: datetime) -> float | None:
    try:
        until = parsedate_to_datetime(told)
        return ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    except (ValueError, TypeError, LookupError, OverflowError):  # years and zones may have any number of digits
        return None
