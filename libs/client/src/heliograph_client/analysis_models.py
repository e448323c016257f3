"""What the API answers about analyses, as pydantic models; ``models`` has all others."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from heliograph_client.models import Model

AnalysisStatus = Literal["queued", "running", "completed", "failed"]


class AnalysisUsage(Model):
    """What an analysis used of the model; all zero where the result was known. ``cost_usd`` is ``None`` where the price of
    the model is unknown."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None


class AnalysisFault(Model):
    """Why an analysis failed."""

    code: str
    reason: str = ""


class AnalysisWaiting(Model):
    """What an analysis waits for; ``until`` is ``None`` where that is unknown, as with missing credentials."""

    reason: str
    until: datetime | None = None


class Analysis(Model):
    """What a vision model tells about an image. The keys of ``result`` are the profile's; ``source`` is ``cache`` where the
    result for an equal image was known."""

    id: UUID
    image_id: UUID
    profile: str
    status: AnalysisStatus
    result: dict[str, Any] | None = None
    source: str | None = None
    model: str | None = None
    profile_version: int | None = None
    usage: AnalysisUsage = AnalysisUsage()
    error: AnalysisFault | None = None
    waiting: AnalysisWaiting | None = None
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def finished(self) -> bool:
        """Nothing more will happen to it unless someone asks: completed or failed."""
        return self.status in {"completed", "failed"}


class AnalysisList(Model):
    """The analyses of an image."""

    analyses: list[Analysis]


class UsageTotals(Model):
    """Calls, tokens and cost. ``cache_hits``: analyses whose result was known; ``unpriced_calls`` are not in the cost."""

    calls: int
    cache_hits: int = 0
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unpriced_calls: int = 0


class UsageOfDay(UsageTotals):
    """What a profile used of a model on a day, in UTC."""

    day: date
    profile: str
    model: str


class UsageReport(Model):
    """What analyses used of models from ``first_day`` to ``last_day``; ``owner`` is ``*`` for all together."""

    owner: str
    first_day: date
    last_day: date
    days: list[UsageOfDay]
    total: UsageTotals
