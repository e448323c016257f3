"""The tables of messages: those that wait to be published, and those that were handled."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, Index, Integer, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base


class OutboxRow(Base):
    """A message that its transaction caused and that NATS has not acknowledged yet; it is deleted once it has.
    ``lane`` is the first part of its subject: each stream has its own. ``claimed_until``: whoever publishes it now owns it
    until then. ``quarantined_at``: it can never be published, for ``quarantine_reason``, and waits for a person.
    ``deliveries`` is no longer used."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_subject_id", "subject", "id"),
        Index("ix_outbox_lane_id", "lane", "id", postgresql_where=text("quarantined_at IS NULL")),
        Index("ix_outbox_quarantined", "id", postgresql_where=text("quarantined_at IS NOT NULL")),
        # The table is a queue: without this its dead rows pile up faster than the default thresholds clear them.
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.01, "autovacuum_vacuum_cost_delay": 0}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str]
    headers: Mapped[dict[str, Any]]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_until: Mapped[datetime | None]
    deliveries: Mapped[int] = mapped_column(Integer, server_default="0")
    quarantined_at: Mapped[datetime | None]
    quarantine_reason: Mapped[str | None]
    lane: Mapped[str] = mapped_column(Computed("split_part(subject, '.', 1)", persisted=True))


class InboxRow(Base):
    """A message that a consumer has handled; written in the transaction of its effect."""

    __tablename__ = "inbox"
    __table_args__ = (Index("ix_inbox_processed_at", "processed_at"),)

    consumer: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    processed_at: Mapped[datetime] = mapped_column(server_default=func.now())
