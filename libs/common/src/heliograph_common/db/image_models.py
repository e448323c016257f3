"""The tables of images and renditions. An image row is the truth about a picture; a message only says where to look."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base

_STATES = "('pending', 'processing', 'complete', 'failed')"
_LIVE = text("deleted_at IS NULL")
_FAILED = text("deleted_at IS NULL AND processing_status = 'failed'")
_HASHED = text("deleted_at IS NULL AND phash IS NOT NULL")
_UNFINISHED = text("deleted_at IS NULL AND processing_status IN ('pending', 'processing')")

PHASH_BANDS: tuple[tuple[str, int, int], ...] = (
    ("(phash & 4194303)", 0, 22),
    ("((phash >> 22) & 2097151)", 22, 21),
    ("((phash >> 43) & 2097151)", 43, 21),
)
"""The perceptual hash in three bands, each with an index: expression, lowest bit, number of bits. Queries must use the
very same expressions."""


class Image(Base):
    """One picture of one owner. ``bytes``, ``width`` and ``height`` (upright, pixels) are the original's. ``render_fence``
    is that of the newest attempt to render it (``work_models``); a write that names another is refused. ``revision`` is
    raised by a trigger, by two, with each change of the row; ``incarnation`` is that of the original's key (``blobs.keys``).
    ``processing_attempts`` counts failed attempts since the last success or retry. ``requested_priority``: what the client
    asked for, where it got a lower one; ``analysis_profile``: what a vision model is to tell about it, ``None`` for
    nothing; ``analysis_queued_at`` is what older versions noted. ``caption``, ``alt_text`` and ``tags`` are what it told;
    triggers keep the words of these and of the name (``search_models``)."""

    __tablename__ = "images"
    __table_args__ = (
        Index("uq_images_owner_sha256", "owner", "sha256", unique=True, postgresql_where=_LIVE),
        Index("ix_images_owner_id", "owner", "id", postgresql_where=_LIVE),
        Index("ix_images_owner_processing_status_id", "owner", "processing_status", "id", postgresql_where=_LIVE),
        Index("ix_images_owner_source_id", "owner", "source", "id", postgresql_where=_LIVE),
        Index("ix_images_sha256", "sha256"),
        Index("ix_images_completed", "processing_completed_at", postgresql_where=_LIVE),
        Index("ix_images_failed", "updated_at", postgresql_where=_FAILED),
        Index("ix_images_unfinished", "updated_at", postgresql_where=_UNFINISHED),
        Index("ix_images_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        *(
            Index(
                f"ix_images_near_{band}",
                "owner",
                text(expression),
                postgresql_where=_HASHED,
                postgresql_include=["phash", "id"],
            )
            for band, (expression, _, _) in enumerate(PHASH_BANDS)
        ),
        *(
            CheckConstraint(f"{column} IN {_STATES}", name=column)
            for column in ("processing_status", "thumbnail_status", "variant_status", "analysis_status")
        ),
        CheckConstraint("priority IN ('high', 'normal', 'low')", name="priority"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    source: Mapped[str]
    source_ref: Mapped[str | None]
    sha256: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    mime_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    frames: Mapped[int] = mapped_column(server_default="1")
    priority: Mapped[str] = mapped_column(server_default="normal")
    requested_priority: Mapped[str | None]
    analysis_profile: Mapped[str | None]
    analysis_queued_at: Mapped[datetime | None]
    exif: Mapped[dict[str, Any] | None]
    taken_at: Mapped[datetime | None]
    caption: Mapped[str | None]
    alt_text: Mapped[str | None]
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    thumbhash: Mapped[str | None]
    dominant_color: Mapped[str | None]
    phash: Mapped[int | None] = mapped_column(BigInteger)
    pixel_hash: Mapped[str | None]
    processing_status: Mapped[str] = mapped_column(server_default="pending")
    thumbnail_status: Mapped[str] = mapped_column(server_default="pending")
    variant_status: Mapped[str] = mapped_column(server_default="pending")
    analysis_status: Mapped[str | None]
    processing_error: Mapped[str | None]
    processing_retryable: Mapped[bool | None] = mapped_column(Boolean)
    processing_attempts: Mapped[int] = mapped_column(server_default="0")
    last_processing_attempt: Mapped[datetime | None]
    processing_completed_at: Mapped[datetime | None]
    render_fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    revision: Mapped[int] = mapped_column(BigInteger, server_default="1")
    incarnation: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class Rendition(Base):
    """One rendered file of a picture: pixels, size in bytes, and its key in the object store. ``limited``: the source was
    smaller than the size that was asked for."""

    __tablename__ = "renditions"
    __table_args__ = (
        CheckConstraint("kind IN ('thumbnail', 'variant')", name="kind"),
        # In the order in which object stores list them: checks compare both.
        Index("ix_renditions_key", text('key COLLATE "C"'), postgresql_include=["bytes"]),
    )

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    format: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str]
    limited: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
