"""The bodies of messages about imports. ``messages`` names them among all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import msgspec

from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Body, Command, Receiver

ImportId = Annotated[UUID, msgspec.Meta(description="Id of the import.")]
ImportStatus = Literal["queued", "running", "completed", "failed", "canceled"]


class ListFolder(Command, frozen=True, kw_only=True):
    """List one page of a folder that is imported."""

    type: ClassVar[str] = "list.folder"
    kind: ClassVar[str] = "list"
    receivers: ClassVar[Mapping[str, Receiver]] = {
        subjects.list_folder("{source}"): Receiver("Received by importers.", durable="importer-list")
    }

    import_id: ImportId
    page_id: Annotated[UUID, msgspec.Meta(description="Id of the page in the import.")]

    @property
    def target(self) -> UUID:
        """The page."""
        return self.page_id


class FetchFile(Command, frozen=True, kw_only=True):
    """Fetch one file of an import."""

    type: ClassVar[str] = "fetch.file"
    kind: ClassVar[str] = "fetch"
    receivers: ClassVar[Mapping[str, Receiver]] = {
        subjects.fetch_file("{source}"): Receiver("Received by importers.", durable="importer-fetch")
    }

    import_id: ImportId
    file_id: Annotated[UUID, msgspec.Meta(description="Id of the file in the import.")]

    @property
    def target(self) -> UUID:
        """The file."""
        return self.file_id


class ImportCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many files of an import are in which state."""

    found: Annotated[int, msgspec.Meta(description="Files found so far.")] = 0
    queued: Annotated[int, msgspec.Meta(description="Files not yet fetched.")] = 0
    fetching: Annotated[int, msgspec.Meta(description="Files being fetched.")] = 0
    imported: Annotated[int, msgspec.Meta(description="Files that are images of the owner now.")] = 0
    unchanged: Annotated[int, msgspec.Meta(description="Files that an earlier import fetched and did not change.")] = 0
    skipped: Annotated[int, msgspec.Meta(description="Files that cannot be imported, such as documents.")] = 0
    failed: Annotated[int, msgspec.Meta(description="Files that could not be fetched.")] = 0
    canceled: Annotated[int, msgspec.Meta(description="Files not fetched because the import was canceled.")] = 0


class ImportEvent(Body, frozen=True, kw_only=True):
    """What all events about an import carry. ``db.imports.event_facts`` gives these from the row that the
    change returned."""

    import_id: ImportId
    source: Annotated[str, msgspec.Meta(description="Source of the files.")]
    name: Annotated[str, msgspec.Meta(description="Name of the imported folder, or empty if unknown.")]
    status: Annotated[ImportStatus, msgspec.Meta(description="Status of the import.")]
    progress: Annotated[
        int, msgspec.Meta(description="Share of the files found so far that are done, in percent, from 0 to 100.")
    ]
    counts: Annotated[ImportCounts, msgspec.Meta(description="Number of files by status.")]
    revision: Annotated[
        int,
        msgspec.Meta(
            description="Revision of the import that the event describes. Ignore an event whose revision is lower than "
            "one already seen for the same import."
        ),
    ]


class ImportStarted(ImportEvent, frozen=True, kw_only=True):
    """The import was accepted and its folder is being listed."""

    type: ClassVar[str] = "import.started"


class ImportProgress(ImportEvent, frozen=True, kw_only=True):
    """The counts of the import changed. Sent at most twice a second."""

    type: ClassVar[str] = "import.progress"

    files_per_second: Annotated[
        float | None, msgspec.Meta(description="Files done per second, recently. Null if unknown.")
    ] = None
    remaining_seconds: Annotated[
        float | None, msgspec.Meta(description="Estimate of the time left, in seconds. Null if unknown.")
    ] = None
    waiting_reason: Annotated[
        str | None, msgspec.Meta(description="Why the import waits for its provider. Null if it does not.")
    ] = None
    waiting_until: Annotated[
        datetime | None, msgspec.Meta(description="When the import continues. Null if it does not wait.")
    ] = None


class ImportCompleted(ImportEvent, frozen=True, kw_only=True):
    """All files of the import are done. Some may have failed; see ``counts``."""

    type: ClassVar[str] = "import.completed"


class ImportFailed(ImportEvent, frozen=True, kw_only=True):
    """The import ended because its folder cannot be listed."""

    type: ClassVar[str] = "import.failed"

    reason: Annotated[
        str, msgspec.Meta(description="Reason for the failure and, after the colon, what to do about it.")
    ]


class ImportCanceled(ImportEvent, frozen=True, kw_only=True):
    """The owner canceled the import. Images that it had created remain."""

    type: ClassVar[str] = "import.canceled"
