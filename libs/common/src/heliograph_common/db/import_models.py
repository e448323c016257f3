"""The tables of imports: one row for each import, each page of a folder and each file. ``db.imports`` has the statements
that several services run."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base

_UNFINISHED = text(
    "status IN ('queued', 'running') OR counted_at IS NULL "
    "OR found > imported + unchanged + skipped + failed + canceled"
)
_UNDER_WAY = text("status IN ('sent', 'fetching')")


class Import(Base):
    """One import of one owner. ``url`` is what was asked for, ``location`` what ``contracts.links`` read from it,
    ``urls`` the addresses of a list. ``credential`` names one of the installation's; ``authorization`` is a user's
    token, encrypted (``auth.sealing``), and gone once the import has ended. ``budget`` names whose quota it uses
    (``provider_states``).

    ``found`` and the counts after it are those of ``import_files``, as of ``counted_at`` (``None``: count them); what is
    in none of them is queued.
    ``found_bytes`` is what the provider says, ``imported_bytes`` what was fetched; ``files_per_second`` and
    ``bytes_per_second`` were measured lately. ``listed``: all folders have been listed. ``revision`` is raised with each
    event.
    """

    __tablename__ = "imports"
    __table_args__ = (
        Index("ix_imports_owner_id", "owner", "id"),
        Index("ix_imports_unfinished", "id", postgresql_where=_UNFINISHED),
        CheckConstraint("status IN ('queued', 'running', 'completed', 'failed', 'canceled')", name="status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    source: Mapped[str]
    url: Mapped[str | None]
    location: Mapped[dict[str, Any]]
    urls: Mapped[list[Any] | None] = mapped_column(JSONB)
    recursive: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    analysis_profile: Mapped[str | None]
    credential: Mapped[str | None]
    authorization: Mapped[bytes | None] = mapped_column(LargeBinary)
    budget: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str] = mapped_column(server_default="queued")
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    listed: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    found: Mapped[int] = mapped_column(Integer, server_default="0")
    fetching: Mapped[int] = mapped_column(Integer, server_default="0")
    imported: Mapped[int] = mapped_column(Integer, server_default="0")
    unchanged: Mapped[int] = mapped_column(Integer, server_default="0")
    skipped: Mapped[int] = mapped_column(Integer, server_default="0")
    failed: Mapped[int] = mapped_column(Integer, server_default="0")
    canceled: Mapped[int] = mapped_column(Integer, server_default="0")
    found_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    imported_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    files_per_second: Mapped[float | None] = mapped_column(Float)
    bytes_per_second: Mapped[float | None] = mapped_column(Float)
    counted_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(BigInteger, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ImportPage(Base):
    """One page of one folder: ``cursor`` is empty for the first. ``id`` follows from the import, the folder, the pass and
    the cursor, so the same page is one row however often a provider names it: cycles of folders end there.
    ``folder`` is the provider's reference, ``path`` is for people, ``details`` are what its source wants to know again.
    ``pass_number`` is raised when a provider forgets its cursors and the folder is listed again. A page is ``sent``
    while there is work for it, and not before ``not_before``."""

    __tablename__ = "import_pages"
    __table_args__ = (
        Index("ix_import_pages_import_id_status", "import_id", "status"),
        CheckConstraint("status IN ('queued', 'sent', 'done', 'failed', 'canceled')", name="status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    import_id: Mapped[UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"))
    folder: Mapped[str]
    path: Mapped[str]
    details: Mapped[dict[str, Any]]
    cursor: Mapped[str]
    pass_number: Mapped[int] = mapped_column(Integer, server_default="0")
    status: Mapped[str] = mapped_column(server_default="queued")
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    not_before: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ImportFile(Base):
    """One file of an import. ``id`` follows from the import and ``ref``, the provider's reference, so that a file which is
    listed twice is one row; ``position`` is the order in which files were found. ``revision`` is the provider's checksum or
    version of the content, ``bytes`` the size that it tells, or that of what was fetched; ``details`` are what its source
    wants to know again. ``code`` and ``reason`` say why a file was skipped or failed.

    ``queued``: its turn has not come, or not before ``not_before``. ``sent``: there is work for it (``work_models``), which
    has its attempts, lease and deadline. ``fence`` is that of the newest attempt; ``finished_at`` when it ended.
    """

    __tablename__ = "import_files"
    __table_args__ = (
        Index(
            "ix_import_files_import_id_status_position",
            "import_id",
            "status",
            "position",
            postgresql_include=["bytes"],
        ),
        Index("ix_import_files_import_id_position", "import_id", "position"),
        Index("ix_import_files_under_way", "import_id", postgresql_where=_UNDER_WAY),
        CheckConstraint(
            "status IN ('queued', 'sent', 'fetching', 'imported', 'unchanged', 'skipped', 'failed', 'canceled')",
            name="status",
        ),
        # Each row changes some times in a short while, and then never again.
        {"postgresql_with": {"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.02}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    import_id: Mapped[UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(BigInteger, Identity())
    ref: Mapped[str]
    name: Mapped[str]
    path: Mapped[str]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    mime_type: Mapped[str | None]
    revision: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default="queued")
    code: Mapped[str | None]
    reason: Mapped[str | None]
    image_id: Mapped[UUID | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    not_before: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class RemoteFile(Base):
    """What an owner has from a source: which image the file ``ref`` became, and in which ``revision``. It outlives imports,
    so that a later one fetches only what has changed, and goes with the image. ``key`` follows from owner, source and
    ref (``db.imports``)."""

    __tablename__ = "remote_files"
    __table_args__ = (Index("ix_remote_files_image_id", "image_id"),)

    key: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    source: Mapped[str]
    ref: Mapped[str]
    revision: Mapped[str]
    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    imported_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ProviderState(Base):
    """How a provider takes the requests of one budget (a credential, or a host): not before ``paused_until``, because of
    ``reason``; ``failures`` in a row. Rows are as good as none some time after ``paused_until``."""

    __tablename__ = "provider_states"

    budget: Mapped[str] = mapped_column(primary_key=True)
    paused_until: Mapped[datetime]
    reason: Mapped[str]
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
