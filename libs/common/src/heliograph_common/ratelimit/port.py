"""What the gateway needs of rate limits. ``store.py`` is the real thing, ``testing/ratelimit.py`` its fake."""

from __future__ import annotations

from typing import Protocol

from heliograph_common.ratelimit.gcra import Decision, Limit


class RateLimits(Protocol):
    """Buckets by name, one of each for all who share the store."""

    async def take(self, key: str, limit: Limit) -> Decision:
        """Takes one request from the bucket ``key``, which is full the first time.

        Raises:
            DatabaseUnavailable: nobody knows.
        """

    async def forget(self) -> int:
        """Deletes buckets that are full, which are as good as none; returns how many."""
