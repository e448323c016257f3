"""Gauges that nobody else can set: how old the oldest work is, while its workers may be scaled to zero."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from heliograph_common.bus.lag import Lag
from heliograph_common.clock import Clock
from heliograph_common.telemetry import metrics


async def observe_lag(lags: Callable[[], Awaitable[list[Lag]]], now: Clock) -> None:
    """Sets the age of each consumer's oldest message that is not acknowledged; 0 where there is none.

    Raises:
        BusUnavailable: NATS does not tell; the gauges keep what they had.
    """
    for lag in await lags():
        age = (now() - lag.oldest).total_seconds() if lag.oldest else 0.0
        metrics.oldest_unacked_age.labels(consumer=lag.durable).set(max(0.0, age))
