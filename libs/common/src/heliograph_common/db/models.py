"""The tables. An image row is the truth about a picture; a message only says where to look. Migrations make these tables
(``db/migrations``); a test compares the two."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

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


class Base(DeclarativeBase):
    """Names of constraints and indexes follow one rule, so that migrations can name them too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True), str: Text, dict[str, Any]: JSONB, UUID: Uuid}  # noqa: RUF012 - SQLAlchemy's hook


class Image(Base):
    """One picture of one owner. ``bytes``, ``width`` and ``height`` (upright, pixels) are the original's. ``render_fence``
    is that of the newest attempt to render it (``work_models``); a write that names another is refused. ``revision`` is
    raised by a trigger, by two, with each change of the row; ``incarnation`` is that of the original's key (``blobs.keys``).
    ``processing_attempts`` counts failed attempts since the last success or retry. ``requested_priority``: what the client
    asked for, where it got a lower one; ``analysis_profile``: what a vision model is to tell about it, ``None`` for
    nothing; ``analysis_queued_at``: when the command for that was sent, once there were thumbnails."""

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


class IdempotencyKey(Base):
    """A client's ``Idempotency-Key`` and the answer that its request got. ``status`` is null while the request is in
    flight; ``claim`` names whoever handles it, until ``claimed_until`` unless that is moved. ``fingerprint`` is of
    method, path, query and body; ``body_bytes`` the length of the request's body. ``headers`` and ``body``: the answer's."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str]
    claim: Mapped[UUID]
    claimed_until: Mapped[datetime]
    fingerprint: Mapped[str | None]
    body_bytes: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[list[Any] | None] = mapped_column(JSONB)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BlobTombstone(Base):
    """The blobs of these bytes may have been collected since ``made_at``: for services of the version before
    ``retired_keys``, which look for the object again when they find one; a trigger retires the key when they make one.
    Forgotten after a day."""

    __tablename__ = "blob_tombstones"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReplacedRendition(Base):
    """An object that a row of ``renditions`` named until it named another or was deleted; triggers write it. It can be
    collected when no other row names it."""

    __tablename__ = "replaced_renditions"
    __table_args__ = (
        Index("ix_replaced_renditions_replaced_at", "replaced_at"),
        Index("ix_replaced_renditions_sha256", "sha256"),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    replaced_at: Mapped[datetime] = mapped_column(server_default=func.now())


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


class RateLimit(Base):
    """One token bucket: ``full_at`` is when it will be full again (the theoretical arrival time of GCRA). Not logged:
    what a crash forgets is at most one burst. Pages are left half empty and ``full_at`` has no index, so that an update
    touches one page and leaves nothing to vacuum (heap-only tuples)."""

    __tablename__ = "rate_limits"
    __table_args__ = ({"prefixes": ["UNLOGGED"], "postgresql_with": {"fillfactor": 50}},)

    key: Mapped[str] = mapped_column(primary_key=True)
    full_at: Mapped[datetime]
