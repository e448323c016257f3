"""The table of checks: comparisons of rows with objects and streams, which an administrator asks for."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import func

from heliograph_common.db.base import Base


class ConsistencyCheck(Base):
    """One check. ``position`` is where it stands (a step and a key in it), so that whoever takes it over goes on there;
    ``counts`` has a number for each kind of finding, ``samples`` some findings of each. One runs at a time."""

    __tablename__ = "consistency_checks"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'complete', 'failed', 'cancelled')", name="state"),
        Index("uq_consistency_checks_running", "state", unique=True, postgresql_where=text("state = 'running'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(server_default="running")
    repair: Mapped[bool] = mapped_column(Boolean)
    requested_by: Mapped[str]
    position: Mapped[dict[str, Any]] = mapped_column(JSONB)
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    samples: Mapped[dict[str, Any]] = mapped_column(JSONB)
    error: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    moved_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
