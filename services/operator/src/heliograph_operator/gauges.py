"""What the operator measures of each scaler; what is measured of one that is gone goes with it."""

from __future__ import annotations

from collections.abc import Iterable

from heliograph_common.telemetry import metrics
from heliograph_operator.conditions import Condition
from heliograph_operator.model import Signal

_OF_SCALERS = (
    metrics.operator_replicas,
    metrics.operator_wanted_replicas,
    metrics.operator_backlog,
    metrics.operator_in_flight,
    metrics.operator_workers,
    metrics.operator_condition,
    metrics.operator_decisions,
)


def observe(
    scaler: str,
    *,
    replicas: int | None,
    wanted: int | None,
    signal: Signal | None,
    conditions: Iterable[Condition],
) -> None:
    """What one look found. What it did not find stays as it was: the conditions tell that it is old."""
    if replicas is not None:
        metrics.operator_replicas.labels(scaler=scaler).set(replicas)
    if wanted is not None:
        metrics.operator_wanted_replicas.labels(scaler=scaler).set(wanted)
    if signal is not None:
        metrics.operator_backlog.labels(scaler=scaler).set(signal.backlog)
        metrics.operator_in_flight.labels(scaler=scaler).set(signal.in_flight)
        metrics.operator_workers.labels(scaler=scaler).set(signal.workers)
    for condition in conditions:
        metrics.operator_condition.labels(scaler=scaler, condition=condition.kind).set(condition.status == "True")


def scaled(scaler: str, term: str, *, up: bool) -> None:
    """Replicas were set."""
    metrics.operator_decisions.labels(scaler=scaler, term=term, direction="up" if up else "down").inc()


def tick_failed(reason: str) -> None:
    """A look ended by ``error`` or ``timeout``."""
    metrics.operator_tick_failures.labels(reason=reason).inc()


def forget(scaler: str) -> None:
    """It is gone, or another operator tells about it now."""
    for metric in _OF_SCALERS:
        metric.remove_by_labels({"scaler": scaler})
