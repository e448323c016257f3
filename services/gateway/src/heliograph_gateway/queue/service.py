"""How much work waits, and since when: what NATS and PostgreSQL know of it, put together.

``GET /v1/queue`` shows it as it is (``schemas.QueueShape``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog

from heliograph_common.auth.principal import Principal
from heliograph_common.bus.lag import Lag
from heliograph_common.clock import utc_now
from heliograph_common.contracts import subjects
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.engine import Database
from heliograph_common.errors import BusUnavailable
from heliograph_common.messaging import outbox
from heliograph_gateway.queue import queries

log = structlog.get_logger(__name__)

_RECENT = timedelta(hours=24)


class Queue:
    """``read_lags``: of every work consumer; raises ``BusUnavailable``."""

    def __init__(self, database: Database, read_lags: Callable[[], Awaitable[Sequence[Lag]]]) -> None:
        self._database = database
        self._read_lags = read_lags

    async def state(self, caller: Principal) -> dict[str, Any]:
        """Depth of every work consumer, of the outbox, and what was finished in the last 24 hours. While NATS is away it
        is what PostgreSQL knows.

        Raises:
            DatabaseUnavailable: nothing is known.
        """
        return await self._state(caller)

    async def state_of_all(self) -> dict[str, Any]:
        """The same, counted over all owners: it names nobody.

        Raises:
            DatabaseUnavailable: nothing is known.
        """
        return await self._state(None)

    async def _state(self, caller: Principal | None) -> dict[str, Any]:
        owner = None if caller is None or caller.is_admin else caller.subject
        async with self._database.transaction() as connection:
            depth = await outbox.depth(connection)
            completed, failed = await queries.finished_since(connection, _RECENT, owner)
            delayed = await queries.delayed_by_priority(connection)
        try:
            lags: Sequence[Lag] | None = await self._read_lags()
        except BusUnavailable as error:
            log.warning("queue status without nats", error=str(error))
            lags = None
        by_subject = {subjects.render(Priority(priority)): count for priority, count in delayed.items()}
        consumers = [_consumer(lag, by_subject.get(lag.subject, 0)) for lag in lags or ()]
        return {
            "nats": "unavailable" if lags is None else "available",
            **_totals(None if lags is None else consumers),
            "consumers": consumers,
            "completed": completed,
            "failed": failed,
            "counted": "all" if owner is None else "own",
            "outbox": {"depth": depth.rows, "oldest_seconds": depth.oldest, "quarantined": depth.quarantined},
        }


def _consumer(lag: Lag, failed_before: int) -> dict[str, Any]:
    """NATS counts a message on a delayed ``nak`` as unacknowledged, like one in a worker's hands. The rows tell them
    apart: images that failed at least once and are not being rendered wait for their next attempt."""
    delayed = min(failed_before, lag.unacked)
    return {
        "consumer": lag.durable,
        "subject": lag.subject,
        "waiting": lag.waiting,
        "active": lag.unacked - delayed,
        "delayed": delayed,
        "oldest_seconds": None if lag.oldest is None else max(0.0, (utc_now() - lag.oldest).total_seconds()),
    }


def _totals(consumers: list[dict[str, Any]] | None) -> dict[str, Any]:
    if consumers is None:
        return dict.fromkeys(("waiting", "active", "delayed", "oldest_seconds"))
    ages = [each["oldest_seconds"] for each in consumers if each["oldest_seconds"] is not None]
    sums = {key: sum(each[key] for each in consumers) for key in ("waiting", "active", "delayed")}
    return {**sums, "oldest_seconds": max(ages, default=None)}
