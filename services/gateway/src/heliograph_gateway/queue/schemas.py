"""The shape of the queue."""

from __future__ import annotations

from typing import Literal

from heliograph_gateway.http.schemas import Shape


class ConsumerQueue(Shape):
    """Work of one consumer. ``delayed`` counts images that failed at least once and wait for their next attempt; NATS
    itself counts them as active, so they are subtracted there. ``oldest_seconds``: age of the oldest message."""

    consumer: str
    subject: str
    waiting: int
    active: int
    delayed: int
    oldest_seconds: float | None


class OutboxShape(Shape):
    """Messages that are committed and not yet in NATS: exact up to 10,000, above that an estimate. ``quarantined`` ones can
    never be published and wait for an administrator; they are not part of ``depth``."""

    depth: int
    oldest_seconds: float
    quarantined: int


class QueueShape(Shape):
    """Totals over all consumers (null while NATS is away), images finished in the last 24 hours (the caller's own; of
    all owners for administrators), and the outbox."""

    nats: Literal["available", "unavailable"]
    waiting: int | None
    active: int | None
    delayed: int | None
    oldest_seconds: float | None
    consumers: list[ConsumerQueue]
    completed: int
    failed: int
    counted: Literal["own", "all"]
    outbox: OutboxShape
