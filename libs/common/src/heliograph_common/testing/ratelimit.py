"""The fake of the rate limits, in memory."""

from __future__ import annotations

from datetime import datetime, timedelta

from heliograph_common.clock import Clock, utc_now
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.ratelimit.gcra import Decision, Limit, take


class MemoryRateLimits:
    """``RateLimits`` in a dictionary. While ``down`` is set every call fails and does nothing."""

    def __init__(self, now: Clock = utc_now) -> None:
        self.down = False
        self._now = now
        self._full_at: dict[str, datetime] = {}

    async def take(self, key: str, limit: Limit) -> Decision:
        """See ``RateLimits.take``."""
        now = self._checked()
        decision, full_in = take(limit, self._full_at.get(key, now) - now)
        self._full_at[key] = now + full_in
        return decision

    async def forget(self) -> int:
        """See ``RateLimits.forget``."""
        now = self._checked()
        before = len(self._full_at)
        self._full_at = {key: moment for key, moment in self._full_at.items() if moment - now > timedelta()}
        return before - len(self._full_at)

    def _checked(self) -> datetime:
        if self.down:
            raise DatabaseUnavailable("PostgreSQL is down: the test says so")
        return self._now()
