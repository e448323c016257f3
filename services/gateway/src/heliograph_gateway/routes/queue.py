"""``GET /v1/queue``: how much work waits, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from fastapi import APIRouter, Depends
from starlette.responses import Response

from heliograph_common.bus.lag import Lag
from heliograph_common.clock import utc_now
from heliograph_common.contracts import subjects
from heliograph_common.contracts.subjects import Priority
from heliograph_common.errors import BusUnavailable
from heliograph_common.messaging import outbox
from heliograph_gateway import queries
from heliograph_gateway.access import Deps, Reader, known_parameters
from heliograph_gateway.responses import json_response, problems
from heliograph_gateway.schemas import QueueShape

router = APIRouter(tags=["queue"], dependencies=[Depends(known_parameters)])
log = structlog.get_logger(__name__)

_RECENT = timedelta(hours=24)


@router.get("/v1/queue", summary="Work that waits", responses={200: {"model": QueueShape}, **problems()})
async def get_queue(deps: Deps, caller: Reader) -> Response:
    """Depth of every work consumer, of the outbox, and what was finished in the last 24 hours. While NATS is away it
    answers with what PostgreSQL knows."""
    async with deps.database.transaction() as connection:
        depth, age = await outbox.depth(connection)
        completed, failed = await queries.finished_since(
            connection, _RECENT, None if caller.is_admin else caller.subject
        )
        delayed = await queries.delayed_by_priority(connection)
    try:
        lags: Sequence[Lag] | None = await deps.lags()
    except BusUnavailable as error:
        log.warning("the queue is told without nats", error=str(error))
        lags = None
    by_subject = {subjects.render(Priority(priority)): count for priority, count in delayed.items()}
    consumers = [_consumer(lag, by_subject.get(lag.subject, 0)) for lag in lags or ()]
    return json_response(
        {
            "nats": "unavailable" if lags is None else "available",
            **_totals(None if lags is None else consumers),
            "consumers": consumers,
            "completed": completed,
            "failed": failed,
            "counted": "all" if caller.is_admin else "own",
            "outbox": {"depth": depth, "oldest_seconds": age},
        }
    )


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
