"""The tables of objects: which keys may be used, what is being put, what is to be deleted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Integer, func
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base


class RetiredKey(Base):
    """A key of the object store under which something was deleted, or may yet be: ``incarnation`` is the first one of it
    that may be used now (see ``blobs.keys``). So no late deletion can hit a newer object. A key with a slash at its end is
    a folder of renditions, all of which were given up at once: its number is added to that of each key in it."""

    __tablename__ = "retired_keys"

    key: Mapped[str] = mapped_column(primary_key=True)
    incarnation: Mapped[int] = mapped_column(Integer)
    retired_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BlobIntent(Base):
    """An original that someone is about to put, or has put, and that no image names yet. Deleted by the transaction that
    accepts the image; what is older than any upload can take is collected, object and row."""

    __tablename__ = "blob_intents"
    __table_args__ = (Index("ix_blob_intents_made_at", "made_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    incarnation: Mapped[int] = mapped_column(Integer)
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BlobGarbage(Base):
    """An object to delete, from ``due_at`` on, or all of a folder (with a slash at its end) that are given up; ``attempts``
    and ``error`` tell of deletions that failed."""

    __tablename__ = "blob_garbage"
    __table_args__ = (Index("ix_blob_garbage_due_at", "due_at"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    error: Mapped[str | None]


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


class BlobTombstone(Base):
    """The blobs of these bytes may have been collected since ``made_at``: for services of the version before
    ``retired_keys``, which look for the object again when they find one; a trigger retires the key when they make one.
    Forgotten after a day."""

    __tablename__ = "blob_tombstones"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
