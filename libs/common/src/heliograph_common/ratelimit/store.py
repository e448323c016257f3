"""Buckets in PostgreSQL, one for all replicas. The gateway's middleware takes from them; its ``bootstrap`` has them cleaned.

A request costs one statement, which is a transaction of its own on a table without a log: it waits for no disk. All
times are the database's, read after the row is locked, so that neither the replicas' clocks nor waiting for one another
lets more through. A bucket that refused will refuse until its wait is over, whoever asks: this process remembers that
long, and a caller who does not stop costs the database next to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from heliograph_common.db.single import SingleStatements
from heliograph_common.ratelimit.gcra import Decision, Limit, decision

_TAKE = """
    INSERT INTO rate_limits AS bucket (key, full_at)
    VALUES (%(key)s, clock_timestamp() + %(interval)s)
    ON CONFLICT (key) DO UPDATE SET full_at = greatest(bucket.full_at, clock_timestamp()) + %(interval)s
    WHERE greatest(bucket.full_at, clock_timestamp()) + %(interval)s <= clock_timestamp() + %(capacity)s
    RETURNING full_at - clock_timestamp()
"""
_LOOK = "SELECT full_at - clock_timestamp() FROM rate_limits WHERE key = %(key)s"
_FORGET = """
    WITH gone AS (
        DELETE FROM rate_limits WHERE key IN (
            SELECT key FROM rate_limits WHERE full_at < clock_timestamp() LIMIT %(batch)s FOR UPDATE SKIP LOCKED
        )
        RETURNING key
    )
    SELECT count(*) FROM gone
"""
_BATCH = 1_000
_REMEMBERED = 10_000


class PostgresRateLimits:
    """``RateLimits`` in the table of that name. ``monotonic``: seconds of a clock that never goes back."""

    def __init__(self, statements: SingleStatements, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._statements = statements
        self._monotonic = monotonic
        self._refused: dict[str, float] = {}

    async def take(self, key: str, limit: Limit) -> Decision:
        """See ``RateLimits.take``."""
        wait = self._refused.get(key, 0.0) - self._monotonic()
        if wait > 0:
            return Decision(False, 0, timedelta(seconds=wait))
        values = {"key": key, "interval": limit.interval, "capacity": limit.capacity}
        if taken := await self._statements.row(_TAKE, values):
            return decision(limit, taken[0], allowed=True)
        found = await self._statements.row(_LOOK, values)
        refused = decision(limit, found[0] if found else timedelta(), allowed=False)
        self._remember(key, refused.wait)
        return refused

    async def forget(self) -> int:
        """See ``RateLimits.forget``. Several replicas may do so at once."""
        deleted = 0
        while True:
            found = await self._statements.row(_FORGET, {"batch": _BATCH})
            count = found[0] if found else 0
            deleted += count
            if count < _BATCH:
                return deleted

    def _remember(self, key: str, wait: timedelta) -> None:
        now = self._monotonic()
        if len(self._refused) >= _REMEMBERED:
            self._refused = {name: until for name, until in self._refused.items() if until > now}
        if len(self._refused) < _REMEMBERED:
            self._refused[key] = now + wait.total_seconds()
