"""The tables of display sizes: those that there are, and the runs that render existing images in them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base


class DisplaySize(Base):
    """A size that every picture is rendered in. ``position`` orders them; ``quality`` is the encoder's, 1 to 100; pictures
    that were completed after ``changed_at`` must have it."""

    __tablename__ = "display_sizes"
    __table_args__ = (
        CheckConstraint("kind IN ('thumbnail', 'variant')", name="kind"),
        CheckConstraint("fit IN ('cover', 'contain')", name="fit"),
        CheckConstraint("format IN ('jpeg', 'webp')", name="format"),
        CheckConstraint("width BETWEEN 1 AND 16384 AND height BETWEEN 1 AND 16384", name="pixels"),
        CheckConstraint("quality BETWEEN 1 AND 100", name="quality"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    fit: Mapped[str]
    format: Mapped[str]
    quality: Mapped[int] = mapped_column(SmallInteger)
    position: Mapped[int] = mapped_column(SmallInteger)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DisplaySizeRun(Base):
    """A pass over the images that there were, which has them rendered in the present display sizes. ``total``: those not
    deleted when it began; ``seen``: how many it has come past, up to the id ``position`` of ``last``; ``queued``: how
    many of these were sent to be rendered. One runs at a time."""

    __tablename__ = "display_size_runs"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'complete', 'superseded')", name="state"),
        Index("uq_display_size_runs_running", "state", unique=True, postgresql_where=text("state = 'running'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(server_default="running")
    position: Mapped[UUID | None]
    last: Mapped[UUID | None]
    total: Mapped[int] = mapped_column(BigInteger)
    seen: Mapped[int] = mapped_column(BigInteger, server_default="0")
    queued: Mapped[int] = mapped_column(BigInteger, server_default="0")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


class DisplaySizeCommand(Base):
    """An image that a run has sent to be rendered and that still has work."""

    __tablename__ = "display_size_commands"
    __table_args__ = (Index("ix_display_size_commands_run_id", "run_id"),)

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("display_size_runs.id", ondelete="CASCADE"))
    image_id: Mapped[UUID]
    owner: Mapped[str]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
