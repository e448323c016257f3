"""Which targets a HorizontalPodAutoscaler scales, asked for now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from heliograph_operator.cluster.port import Cluster
from heliograph_operator.model import Target

KEPT_SECONDS = 10.0
"""How long an answer is good for: one is created by hand, and then both may set replicas for so long at most."""


class Autoscalers:
    """Answers of one cluster, by target. ``clock`` tells seconds that never go back."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._known: dict[Target, tuple[float, str | None]] = {}

    async def of(self, target: Target) -> str | None:
        """The name of one that scales ``target``. Raises what the cluster does."""
        now = self._clock()
        known = self._known.get(target)
        if known is not None and now - known[0] < KEPT_SECONDS:
            return known[1]
        self._known = {one: answer for one, answer in self._known.items() if now - answer[0] < KEPT_SECONDS}
        found = await self._cluster.autoscaler_of(target)
        self._known[target] = (now, found)
        return found
