"""The age of the oldest work is told, also while nobody works."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from heliograph_common.bus.lag import Lag
from heliograph_common.telemetry import metrics
from heliograph_gateway.queue.gauges import observe_lag

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _lag(durable: str, oldest: datetime | None) -> Lag:
    return Lag(durable=durable, subject="work.x", waiting=1, unacked=0, redelivered=0, oldest=oldest)


async def test_ages() -> None:
    async def lags() -> list[Lag]:
        return [_lag("test-a", NOW - timedelta(seconds=90)), _lag("test-b", None)]

    await observe_lag(lags, lambda: NOW)
    gauge = metrics.oldest_unacked_age
    assert gauge.labels(consumer="test-a")._value.get() == 90.0
    assert gauge.labels(consumer="test-b")._value.get() == 0.0
