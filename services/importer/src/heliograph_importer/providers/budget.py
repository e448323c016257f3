"""How often a provider is asked with one credential, over all importers: a token bucket in PostgreSQL.

A turn that comes within ``_PATIENCE`` is waited for; for a later one the work goes back to its row, so that it holds no
slot.
"""

from __future__ import annotations

import asyncio

from heliograph_common.ratelimit.gcra import Limit
from heliograph_common.ratelimit.port import RateLimits
from heliograph_importer.sources.port import QuotaExceeded

_PATIENCE = 5.0
_MINUTE = 60


class SharedBudget:
    """Implements ``sources.port.Budget`` for the credential ``key``: ``per_minute`` requests, a sixth of them at once."""

    def __init__(self, limits: RateLimits, key: str, *, per_minute: int) -> None:
        self._limits = limits
        self._key = key
        self._limit = Limit(quota=per_minute, window_seconds=_MINUTE, burst=max(1, per_minute // 6))

    async def spend(self, name: str = "") -> None:
        """See ``Budget.spend``. Raises ``DatabaseUnavailable`` where nobody knows."""
        key = f"provider:{self._key}:{name}"
        patience = _PATIENCE
        while True:
            decision = await self._limits.take(key, self._limit)
            if decision.allowed:
                return
            wait = max(decision.wait.total_seconds(), 0.01)
            if wait > patience:
                reason = "this installation's quota for the provider is used up"
                raise QuotaExceeded(reason, delay=wait, budget=name or None)
            patience -= wait
            await asyncio.sleep(wait)
