"""The tables of analyses: one row for each thing asked about an image, what models answered, and what that cost.
``db.analyses`` has the statements that several services run."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base

_TO_SEND = text("status = 'queued' AND ready_at IS NOT NULL AND sent_at IS NULL")
_UNSHOWN = text("status = 'queued' AND ready_at IS NULL")
_UNDER_WAY = text("status IN ('queued', 'running') AND sent_at IS NOT NULL")
_URGENT = text("urgent AND status IN ('queued', 'running')")


class Analysis(Base):
    """What one profile tells about one image. ``ready_at``: since when there is a rendition that a model can be shown;
    ``sent_at``: since when there is work for it (``work_models``), which has its attempts, lease and deadline. It is not
    sent before ``not_before``, because of ``waiting_reason``. ``urgent``: somebody waits for it, so it takes no turn.

    ``requested_at``: when it was asked for last; it may have failed before. ``attempts`` at it that failed by themselves;
    ``fence`` is that of the newest attempt. ``source``: ``api`` where a model
    was asked for it, ``cache`` where the answer was known. Tokens and ``cost_micros`` (millionths of a US dollar, ``None``
    where the price is unknown) are those of its own calls, all of them.
    """

    __tablename__ = "analyses"
    __table_args__ = (
        Index("ix_analyses_urgent", "owner", postgresql_where=_URGENT),
        Index("uq_analyses_image_id_profile", "image_id", "profile", unique=True),
        Index("ix_analyses_owner_id", "owner", "id"),
        Index("ix_analyses_to_send", "owner", text("urgent DESC"), "id", postgresql_where=_TO_SEND),
        Index("ix_analyses_unshown", "requested_at", postgresql_where=_UNSHOWN),
        Index("ix_analyses_queued", "requested_at", postgresql_where=text("status = 'queued'")),
        Index("ix_analyses_under_way", "owner", postgresql_where=_UNDER_WAY),
        CheckConstraint("status IN ('queued', 'running', 'completed', 'failed')", name="status"),
        CheckConstraint("source IN ('api', 'cache')", name="source"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    profile: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued")
    urgent: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    ready_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    waiting_reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    source: Mapped[str | None]
    model: Mapped[str | None]
    detail: Mapped[str | None]
    profile_version: Mapped[int | None] = mapped_column(Integer)
    calls: Mapped[int] = mapped_column(Integer, server_default="0")
    input_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    output_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cost_micros: Mapped[int | None] = mapped_column(BigInteger, server_default="0")
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]


class AnalysisResult(Base):
    """What a model says about pixels: the cache, and who fills it. ``holder`` is the analysis that asks, until
    ``leased_until``; ``answers`` are the model's, raw, each written as soon as it came, so that it is paid for once.
    ``result`` is the valid one; ``error_code`` and ``error`` say why there is none."""

    __tablename__ = "analysis_results"
    __table_args__ = (Index("ix_analysis_results_answered_at", "answered_at"),)

    pixel_hash: Mapped[str] = mapped_column(primary_key=True)
    profile: Mapped[str] = mapped_column(primary_key=True)
    profile_version: Mapped[int] = mapped_column(Integer, primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[UUID | None]
    leased_until: Mapped[datetime | None]
    answers: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    answered_at: Mapped[datetime | None]


class AnalysisCall(Base):
    """One call to a model, written before it is made. ``outcome`` is ``None`` while it lasts, and for ever where its
    analyzer died: it may have been paid. ``charged`` are the tokens that budgets count for it."""

    __tablename__ = "analysis_calls"
    __table_args__ = (
        Index("ix_analysis_calls_began_at", "began_at"),
        Index("ix_analysis_calls_analysis_id", "analysis_id"),
        CheckConstraint("outcome IN ('answered', 'failed', 'unknown')", name="outcome"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    analysis_id: Mapped[UUID]
    owner: Mapped[str]
    profile: Mapped[str]
    model: Mapped[str]
    pixel_hash: Mapped[str]
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    charged: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    output_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cost_micros: Mapped[int | None] = mapped_column(BigInteger)


class AnalysisUsage(Base):
    """What analyses of an owner used on a day (UTC), by profile and model. ``unpriced``: calls of unknown price."""

    __tablename__ = "analysis_usage"
    __table_args__ = (Index("ix_analysis_usage_day", "day"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    profile: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cache_hits: Mapped[int] = mapped_column(BigInteger, server_default="0")
    unpriced: Mapped[int] = mapped_column(BigInteger, server_default="0")
    input_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    output_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cost_micros: Mapped[int] = mapped_column(BigInteger, server_default="0")


class AnalysisBudget(Base):
    """Tokens that were charged on a day (UTC) to an owner, or to the installation (``scope`` is empty). A call is charged
    with the most that it can use before it is made, and with what it used afterwards."""

    __tablename__ = "analysis_budgets"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")


class AnalyzerState(Base):
    """One row: when an analyzer last reported (``seen_at``), when one that has credentials did (``configured_at``), and
    why the others have none."""

    __tablename__ = "analyzer_state"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default="1")
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    configured_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class FoodEntry(Base):
    """An entry of a food diary, made from an analysis. ``id`` follows from owner and analysis, so that it is made once.
    ``delivered_at``: when the user service took it; ``None`` where there is none, or it has not yet."""

    __tablename__ = "food_entries"
    __table_args__ = (
        Index("ix_food_entries_owner_id", "owner", "id"),
        Index("ix_food_entries_analysis_id", "analysis_id"),
        Index("ix_food_entries_undelivered", "id", postgresql_where=text("delivered_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    analysis_id: Mapped[UUID | None] = mapped_column(ForeignKey("analyses.id", ondelete="SET NULL"))
    entry: Mapped[dict[str, Any]] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    delivered_at: Mapped[datetime | None]
