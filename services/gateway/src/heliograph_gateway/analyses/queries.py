"""Analyses as the gateway reads them, each statement inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.analyses import AnalysisRow
from heliograph_common.db.analysis_models import Analysis, AnalysisUsage

_COUNTED = ("calls", "cache_hits", "unpriced", "input_tokens", "output_tokens", "cost_micros")


async def of_profile(connection: AsyncConnection, image_id: UUID, profile: str) -> AnalysisRow | None:
    """What a profile tells about an image."""
    statement = select(Analysis.__table__).where(Analysis.image_id == image_id, Analysis.profile == profile)
    return (await connection.execute(statement)).one_or_none()


async def give_up(connection: AsyncConnection, row: AnalysisRow) -> None:
    """Has a completed analysis, whose image is locked, count as failed within this transaction: asking for it queues it
    again. Its result stays until there is another."""
    completed = update(Analysis).where(Analysis.id == row.id, Analysis.status == "completed")
    await connection.execute(completed.values(status="failed", urgent=False))


async def urgent_under_way(connection: AsyncConnection, owner: str, *, most: int) -> int:
    """How many urgent analyses of an owner have not ended, counted up to ``most``."""
    unfinished = Analysis.urgent & Analysis.status.in_(("queued", "running"))
    found = select(Analysis.id).where(Analysis.owner == owner, unfinished).limit(most).subquery()
    return int((await connection.execute(select(func.count()).select_from(found))).scalar_one())


async def usage(connection: AsyncConnection, owner: str | None, first: date, last: date) -> Sequence[Row[Any]]:
    """What analyses of an owner (``None``: of all) used from the day ``first`` to the day ``last``, by day, profile and
    model."""
    by = (AnalysisUsage.day, AnalysisUsage.profile, AnalysisUsage.model)
    sums = (func.sum(getattr(AnalysisUsage, name)).label(name) for name in _COUNTED)
    statement = select(*by, *sums).where(AnalysisUsage.day.between(first, last)).group_by(*by)
    if owner is not None:
        statement = statement.where(AnalysisUsage.owner == owner)
    ordered = statement.order_by(AnalysisUsage.day.desc(), AnalysisUsage.profile, AnalysisUsage.model)
    return (await connection.execute(ordered)).all()
