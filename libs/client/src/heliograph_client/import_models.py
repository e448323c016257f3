"""What the API answers about imports, as pydantic models; ``models`` has all others."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from heliograph_client.models import Model

ImportStatus = Literal["queued", "running", "completed", "failed", "canceled"]
ImportFileStatus = Literal["queued", "fetching", "imported", "unchanged", "skipped", "failed", "canceled"]


class ProviderToken(Model):
    """A user's OAuth token for a provider, which the server keeps encrypted for as long as the import runs."""

    access_token: str
    refresh_token: str | None = None
    expires_at: datetime | None = None
    client_id: str | None = None
    client_secret: str | None = None

    def __repr__(self) -> str:
        """Without the secrets."""
        return "ProviderToken(…)"

    __str__ = __repr__


class ImportCounts(Model):
    """How many files of an import are in which state."""

    found: int = 0
    queued: int = 0
    fetching: int = 0
    imported: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    canceled: int = 0

    @property
    def done(self) -> int:
        """Files that nothing more is done to."""
        return self.found - self.queued - self.fetching


class ListingError(Model):
    """A folder that could not be listed."""

    path: str
    code: str
    reason: str


class Listing(Model):
    """How far the folders are listed; until it is ``complete``, more files may be found."""

    complete: bool = False
    folders: int = 0
    pages: int = 0
    pages_listed: int = 0
    errors: list[ListingError] = Field(default_factory=list)


class ImportBytes(Model):
    """Sizes of the files found and of those imported, in bytes."""

    found: int = 0
    imported: int = 0


class ImportRate(Model):
    """Files done and bytes fetched per second, lately; ``None`` if unknown."""

    files_per_second: float | None = None
    bytes_per_second: float | None = None


class Waiting(Model):
    """Why an import waits, and until when."""

    reason: str
    until: datetime


class ImportFault(Model):
    """Why an import failed."""

    code: str
    detail: str


class Import(Model):
    """An import. ``progress`` runs from 0 to 100, over the files found so far; ``remaining_seconds`` is ``None`` until all
    folders are listed and the rate is known."""

    id: UUID
    revision: int = 0
    source: str
    url: str | None = None
    name: str = ""
    status: ImportStatus
    recursive: bool = True
    analyze: str = ""
    credential: str | None = None
    counts: ImportCounts = ImportCounts()
    progress: int = 0
    listing: Listing = Listing()
    bytes: ImportBytes = ImportBytes()
    rate: ImportRate = ImportRate()
    remaining_seconds: float | None = None
    waiting: Waiting | None = None
    error: ImportFault | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    links: dict[str, str] = Field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Nothing more will happen to it unless someone asks: completed, failed or canceled."""
        return self.status in {"completed", "failed", "canceled"}


class ImportFile(Model):
    """A file of an import; ``code`` and ``reason`` say why it was skipped or failed."""

    id: UUID
    name: str
    path: str
    status: ImportFileStatus
    bytes: int | None = None
    mime_type: str | None = None
    code: str | None = None
    reason: str | None = None
    attempts: int = 0
    image_id: UUID | None = None
    finished_at: datetime | None = None
    links: dict[str, str] = Field(default_factory=dict)


class ImportPage(Model):
    """A page of imports."""

    imports: list[Import]
    next: str | None


class ImportFilePage(Model):
    """A page of files."""

    files: list[ImportFile]
    next: str | None
