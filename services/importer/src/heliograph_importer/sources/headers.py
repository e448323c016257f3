"""What headers may carry, and how long those of an answer, which a host may fill with anything, ask to be left alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SENDABLE = re.compile(r"[\x21-\x7e]+")
"""Tokens and keys as a header can carry them. Others fail in the vendors' libraries, with errors that quote them."""
LONGEST_AFTER_FAILURE = 60.0
"""Seconds for which a server that fails is believed. Its word on quotas is worth more."""


def seconds_until(told: str, now: datetime | None = None) -> float | None:
    """The seconds until the date that ``told`` is, negative if it has passed; ``None`` if it is no date."""
    try:
        until = parsedate_to_datetime(told)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return (until - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, LookupError, OverflowError):  # years and zones may have any number of digits
        return None


def after_failure(delay: float | None) -> float | None:
    """The part of ``delay`` that is waited after a failure."""
    return None if delay is None else min(delay, LONGEST_AFTER_FAILURE)
