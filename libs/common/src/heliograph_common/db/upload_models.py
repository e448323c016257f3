"""The tables of uploads that take more than one request: what a client has announced and not finished yet. Rows live for
some hours; ``images`` has what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base


class UnfinishedUpload:
    """What uploads that take more than one request have in common. ``image_id`` is set when ``state`` is ``complete``,
    ``problem`` (an RFC 9457 document) when it is ``refused``. After ``expires_at`` row and bytes are collected."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    priority: Mapped[str]
    analysis_profile: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="open")
    problem: Mapped[dict[str, Any] | None]
    image_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class DirectUpload(UnfinishedUpload, Base):
    """A file that its client puts into the object store itself. ``bytes`` and ``sha256`` (hexadecimal, optional) are what
    the client announced."""

    __tablename__ = "direct_uploads"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'complete', 'refused')", name="state"),
        Index("ix_direct_uploads_expires_at", "expires_at"),
    )

    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None]


class TusUpload(UnfinishedUpload, Base):
    """A resumable upload (tus 1.0). ``upload_metadata`` is the client's ``Upload-Metadata`` header as it came; ``length``
    in bytes, ``None`` while it is deferred; ``position`` is how many of them are stored; ``partial`` ones are there to be
    concatenated, ``concatenates`` names the ids that a final one is made of."""

    __tablename__ = "tus_uploads"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'complete', 'refused')", name="state"),
        Index("ix_tus_uploads_expires_at", "expires_at"),
    )

    upload_metadata: Mapped[str] = mapped_column("metadata")
    length: Mapped[int | None] = mapped_column(BigInteger)
    position: Mapped[int] = mapped_column(BigInteger, server_default="0")
    partial: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    concatenates: Mapped[list[Any] | None] = mapped_column(JSONB)


class TusPart(Base):
    """Bytes of a resumable upload from ``position`` on, as an object of their own."""

    __tablename__ = "tus_parts"

    upload_id: Mapped[UUID] = mapped_column(ForeignKey("tus_uploads.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str]
