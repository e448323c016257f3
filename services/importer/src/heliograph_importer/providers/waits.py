"""When work has to wait for its provider, and how long: a quota that is used up, or an outage.

Neither is an attempt of the file's: it goes back to its row. An error that the provider's own answer does not confirm as
an outage (``Source.probe``) is a failure of that file.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from heliograph_common.db import provider_states
from heliograph_common.db.rows import Connection
from heliograph_common.telemetry import metrics
from heliograph_importer.cleaning import reason_of
from heliograph_importer.sources.port import ProviderFailed, QuotaExceeded, Source

log = structlog.get_logger(__name__)

_PROBE_SECONDS = 15.0


@dataclass(frozen=True)
class Wait:
    """Why work waits. ``seconds``: ``None`` for an outage, of which nobody knows. ``all``: whatever has the same budget
    waits too."""

    reason: str
    seconds: float | None
    all: bool = True


async def wait_for(error: QuotaExceeded | ProviderFailed, source: Source) -> Wait | None:
    """The wait that ``error`` asks for; ``None``: it is the file's own failure."""
    if isinstance(error, QuotaExceeded):
        return _quota(error)
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await source.probe()
    except QuotaExceeded as quota:
        return _quota(quota)
    except (ProviderFailed, TimeoutError):
        return Wait(f"the provider cannot be reached: {reason_of(error)}", None)
    return None


async def pause(connection: Connection, budget: str, wait: Wait) -> timedelta:
    """How long the work is to wait; if it is not alone in that, all of its budget does."""
    if not wait.all and wait.seconds is not None:
        return timedelta(seconds=wait.seconds)
    paused = await provider_states.pause(connection, budget, reason=wait.reason, seconds=wait.seconds)
    source = budget.partition(":")[0]
    metrics.import_waits.labels(source=source, reason="outage" if wait.seconds is None else "quota").inc()
    log.warning("import paused", source=source, seconds=round(paused.total_seconds(), 1), reason=wait.reason)
    return paused


def _quota(error: QuotaExceeded) -> Wait:
    return Wait(reason_of(error), error.delay, all=error.budget is None)
