"""What an import that goes on waits for, and how long it will still take."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.import_models import ProviderState
from heliograph_common.db.imports import counts_of

ACTIVE = ("queued", "running")
"""The states of imports that have not ended."""

_LOOKED_AT = 1_000
_BACK_LATER = text("""
    SELECT active.id, waiting.until, waiting.reason
    FROM unnest(cast(:ids AS uuid[])) AS active (id)
    CROSS JOIN LATERAL (
        SELECT min(first.not_before) AS until, (array_agg(first.reason ORDER BY first.not_before))[1] AS reason,
            bool_and(coalesce(first.not_before > now(), false)) AS all_wait
        FROM (
            (SELECT not_before, reason FROM import_files
                WHERE import_id = active.id AND status = 'queued' ORDER BY position LIMIT :looked_at)
            UNION ALL
            (SELECT not_before, error FROM import_pages
                WHERE import_id = active.id AND status = 'queued' LIMIT :looked_at)
        ) AS first
    ) AS waiting
    WHERE waiting.all_wait
        AND NOT EXISTS (SELECT FROM import_files WHERE import_id = active.id AND status IN ('sent', 'fetching'))
        AND NOT EXISTS (SELECT FROM import_pages WHERE import_id = active.id AND status = 'sent')
""")
"""Of files and pages a bounded number is looked at: where the first ones wait and nothing is under way, all do."""
_UNKNOWN = "the last attempt failed, and the next one comes later"


class Waiting(NamedTuple):
    """What an import waits for, and until when."""

    reason: str
    until: datetime


def remaining_of(row: Row[Any]) -> float | None:
    """Estimate of the seconds left; ``None`` unless all folders are listed and the rate is known."""
    if row.status != "running" or not row.listed or not row.files_per_second:
        return None
    counts = counts_of(row)
    return (counts.queued + counts.fetching) / float(row.files_per_second)


async def waiting_of(connection: AsyncConnection, rows: Collection[Row[Any]]) -> dict[UUID, Waiting]:
    """Which of the imports wait for their provider: it has paused their budget, or nothing of the import is under way and
    all that is left is to be done later. Imports that have ended wait for nothing."""
    active = [row for row in rows if row.status in ACTIVE]
    if not active:
        return {}
    paused = await _paused(connection, {row.budget for row in active})
    found = {row.id: paused[row.budget] for row in active if row.budget in paused}
    others = [row.id for row in active if row.id not in found]
    if others:
        later = await connection.execute(_BACK_LATER, {"ids": others, "looked_at": _LOOKED_AT})
        found |= {row.id: Waiting(row.reason or _UNKNOWN, row.until) for row in later.all()}
    return found


async def _paused(connection: AsyncConnection, budgets: Collection[str]) -> dict[str, Waiting]:
    statement = select(ProviderState.budget, ProviderState.reason, ProviderState.paused_until).where(
        ProviderState.budget.in_(budgets), ProviderState.paused_until > func.now()
    )
    rows = (await connection.execute(statement)).all()
    return {row.budget: Waiting(row.reason, row.paused_until) for row in rows}
