"""Rows of analyses and of their usage as the JSON that clients see. Pure; the shapes are those of ``schemas``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from heliograph_common.clock import rfc3339
from heliograph_common.db.analyses import AnalysisRow, Waiting
from heliograph_common.db.rows import Row

_MILLION = 1_000_000
_COUNTED = ("calls", "cache_hits", "input_tokens", "output_tokens", "cost_micros", "unpriced")


def path_of(analysis_id: UUID) -> str:
    """Where an analysis is found."""
    return f"/v1/analyses/{analysis_id}"


def analysis(row: AnalysisRow, waiting: Waiting | None) -> dict[str, Any]:
    """An analysis, as every route returns it; ``waiting`` is what ``analyses.waiting_of`` says."""
    completed, failed = row.status == "completed", row.status == "failed"
    return {
        "id": str(row.id),
        "image_id": str(row.image_id),
        "profile": row.profile,
        "status": row.status,
        "result": row.result if completed else None,
        "source": row.source if completed else None,
        "model": row.model,
        "profile_version": row.profile_version,
        "usage": {
            "calls": row.calls,
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "cost_usd": _dollars(row.cost_micros),
        },
        "error": {"code": row.error_code or "failed", "reason": row.error or ""} if failed else None,
        "waiting": None if waiting is None else {"reason": waiting.reason, "until": _time(waiting.until)},
        "created_at": rfc3339(row.created_at),
        "started_at": _time(row.started_at),
        "completed_at": _time(row.completed_at),
    }


def usage(rows: Sequence[Row[Any]], owner: str, first: date, last: date) -> dict[str, Any]:
    """What ``queries.usage`` found (``AnalysisUsageReport``)."""
    days = [{"day": row.day.isoformat(), "profile": row.profile, "model": row.model, **_totals([row])} for row in rows]
    period = {"first_day": first.isoformat(), "last_day": last.isoformat()}
    return {"owner": owner, **period, "days": days, "total": _totals(rows)}


def _totals(rows: Sequence[Row[Any]]) -> dict[str, Any]:
    sums = {name: sum(int(getattr(row, name)) for row in rows) for name in _COUNTED}
    cost, unpriced = sums.pop("cost_micros"), sums.pop("unpriced")
    return {**sums, "cost_usd": cost / _MILLION, "unpriced_calls": unpriced}


def _dollars(micros: int | None) -> float | None:
    return None if micros is None else micros / _MILLION


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
