"""The table of work: what is still to do, one row a piece."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Index, Integer, Sequence, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base

WORK_FENCES = Sequence("work_fences", metadata=Base.metadata, start=1_000_000)
"""Fences of all kinds of work: each attempt gets a higher one than any before. It begins above the fences that images
counted for themselves before there was this table."""


class Work(Base):
    """One thing to do: ``kind`` of work on ``target``, such as the render of an image. It is deleted by the transaction that
    ends it, so what is here is what is unfinished, whatever the streams say.

    ``subject``, ``message_type``, ``message_version`` and ``message_data`` make its command; ``command_id`` is the id of
    the command sent last, at ``sent_at``; ``published_seq`` and ``published_at`` say where and when NATS stored it.
    ``attempts``: begun and not given back; ``failures``: those that failed by themselves. ``fence`` is the newest
    attempt's, and ``leased_by`` whose it is, for the delivery ``lease_message``, until ``leased_until``. It is not begun
    before ``not_before``. ``check_at``: when the reconciler looks whether it still has a command. ``again``: it was
    asked for again while an attempt was under way, so that attempt is not its end.
    """

    __tablename__ = "work"
    __table_args__ = (
        Index("ix_work_check_at", "check_at"),
        Index("ix_work_subject_sent_at", "subject", "sent_at"),
        Index("uq_work_command_id", "command_id", unique=True),
        # A queue: without this its dead rows pile up faster than the default thresholds clear them.
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.01, "autovacuum_vacuum_cost_delay": 0}},
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    subject: Mapped[str]
    message_type: Mapped[str]
    message_version: Mapped[int] = mapped_column(SmallInteger)
    message_data: Mapped[dict[str, Any]]
    command_id: Mapped[UUID]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
    published_seq: Mapped[int | None] = mapped_column(BigInteger)
    published_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    leased_by: Mapped[str | None]
    lease_message: Mapped[UUID | None]
    leased_until: Mapped[datetime | None]
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    check_at: Mapped[datetime]
    again: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
