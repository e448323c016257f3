"""How long to wait before trying again, and how often. Pure but for the jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class RetryPolicy:
    """Up to ``attempts`` tries; waits grow from ``first`` to ``longest`` seconds with full jitter
    (AWS Architecture Blog, "Exponential Backoff And Jitter"). A server that asks for more than ``patience`` seconds is not
    waited for. Where nothing has ever answered, the address is probably wrong: ``first_contact`` tries are enough."""

    attempts: int = 6
    first_contact: int = 4
    first: float = 0.25
    longest: float = 10.0
    patience: float = 30.0

    def delay(self, failures: int, server_delay: float | None = None, *, answered: bool = True) -> float | None:
        """Seconds to wait after the ``failures``-th failure in a row; ``None``: give up. ``server_delay`` is the server's
        ``Retry-After``, which is never undercut. ``answered``: the server has ever done so."""
        attempts = self.attempts if answered else min(self.attempts, self.first_contact)
        if failures >= attempts or (server_delay is not None and server_delay > self.patience):
            return None
        if server_delay is not None:
            return server_delay + random.uniform(0, self.first)  # noqa: S311 - spreads clients, guards nothing
        return self.backoff(failures)

    def backoff(self, failures: int) -> float:
        """Like ``delay``, for those who never give up."""
        ceiling = min(self.longest, self.first * 2.0 ** min(failures, 32))
        return random.uniform(ceiling / 4, ceiling)  # noqa: S311 - never near zero, so that a dead server is not hammered


def retry_after(header: str | None) -> float | None:
    """Seconds in a ``Retry-After`` header (RFC 9110, 10.2.3): a number or a date; ``None`` where it is neither."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
