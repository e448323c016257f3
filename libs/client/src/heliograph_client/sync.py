"""The client for code without an event loop: ``AsyncClient`` on a loop in a thread of its own.

Every method does what its namesake there does; a test holds the two to one signature.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from heliograph_client.analyses import DEFAULT_PROFILE, OnLook
from heliograph_client.analysis_models import Analysis, UsageReport
from heliograph_client.body import Progress, Source
from heliograph_client.client import AsyncClient
from heliograph_client.connection import Connection
from heliograph_client.import_models import Import, ImportFile, ImportFileStatus, ImportStatus, ProviderToken
from heliograph_client.imports import OnProgress
from heliograph_client.models import (
    Check,
    DeadLetter,
    DisplaySize,
    Event,
    Image,
    Page,
    Priority,
    QuarantinedMessage,
    QueueStatus,
    Rendition,
    Replayed,
    Reset,
    SignedUrl,
    Status,
)
from heliograph_client.retry import RetryPolicy
from heliograph_client.sync_words import BlockingWords
from heliograph_client.waiting import OnStage


class Client(BlockingWords):
    """A client of one server; use it as a context manager, from any thread. Callbacks run on the client's own thread."""

    _client: AsyncClient

    def __init__(self, connection: Connection | None = None, *, policy: RetryPolicy | None = None) -> None:
        super().__init__()
        self._client = AsyncClient(connection, policy=policy)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections and ends the thread."""
        self._end(self._client.aclose)

    def upload(
        self,
        source: Source,
        *,
        name: str | None = None,
        priority: Priority = "normal",
        analyze: str | None = None,
        on_progress: Progress | None = None,
    ) -> Image:
        """See ``AsyncClient.upload``."""
        return self._run(
            self._client.upload(source, name=name, priority=priority, analyze=analyze, on_progress=on_progress)
        )

    def upload_direct(
        self,
        source: Source,
        *,
        name: str | None = None,
        priority: Priority = "normal",
        analyze: str | None = None,
        on_progress: Progress | None = None,
    ) -> Image:
        """See ``AsyncClient.upload_direct``."""
        return self._run(
            self._client.upload_direct(source, name=name, priority=priority, analyze=analyze, on_progress=on_progress)
        )

    def get(self, image_id: UUID | str) -> Image:
        """See ``AsyncClient.get``."""
        return self._run(self._client.get(image_id))

    def page(
        self,
        *,
        status: Status | None = None,
        source: str | None = None,
        name: str | None = None,
        q: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Image]:
        """See ``AsyncClient.page``."""
        return self._run(
            self._client.page(
                status=status,
                source=source,
                name=name,
                q=q,
                created_after=created_after,
                created_before=created_before,
                limit=limit,
                cursor=cursor,
            )
        )

    def list(
        self,
        *,
        status: Status | None = None,
        source: str | None = None,
        name: str | None = None,
        q: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        page_size: int = 100,
    ) -> Iterator[Image]:
        """See ``AsyncClient.list``."""
        return self._iterate(
            self._client.list(
                status=status,
                source=source,
                name=name,
                q=q,
                created_after=created_after,
                created_before=created_before,
                page_size=page_size,
            )
        )

    def delete(self, image_id: UUID | str) -> None:
        """See ``AsyncClient.delete``."""
        self._run(self._client.delete(image_id))

    def retry(self, image_id: UUID | str) -> Image:
        """See ``AsyncClient.retry``."""
        return self._run(self._client.retry(image_id))

    def rendition_url(self, rendition: Rendition) -> SignedUrl:
        """See ``AsyncClient.rendition_url``."""
        return self._run(self._client.rendition_url(rendition))

    def download(self, rendition: Rendition, to: str | os.PathLike[str]) -> Path:
        """See ``AsyncClient.download``."""
        return self._run(self._client.download(rendition, to))

    def wait(self, image_id: UUID | str, timeout: float | None = 300.0, *, on_stage: OnStage | None = None) -> Image:
        """See ``AsyncClient.wait``."""
        return self._run(self._client.wait(image_id, timeout, on_stage=on_stage))

    def events(self, *, cursor: str | None = None, types: Sequence[str] = ()) -> Iterator[Event | Reset]:
        """See ``AsyncClient.events``."""
        return self._iterate(self._client.events(cursor=cursor, types=types))

    def queue(self) -> QueueStatus:
        """See ``AsyncClient.queue``."""
        return self._run(self._client.queue())

    def dead_letters(self, *, service: str | None = None, page_size: int = 100) -> Iterator[DeadLetter]:
        """See ``AsyncClient.dead_letters``."""
        return self._iterate(self._client.dead_letters(service=service, page_size=page_size))

    def dead_letter(self, letter_id: str) -> DeadLetter:
        """See ``AsyncClient.dead_letter``."""
        return self._run(self._client.dead_letter(letter_id))

    def replay_dead_letter(self, letter_id: str) -> Replayed:
        """See ``AsyncClient.replay_dead_letter``."""
        return self._run(self._client.replay_dead_letter(letter_id))

    def drop_dead_letter(self, letter_id: str) -> None:
        """See ``AsyncClient.drop_dead_letter``."""
        self._run(self._client.drop_dead_letter(letter_id))

    def quarantine(self, *, page_size: int = 100) -> Iterator[QuarantinedMessage]:
        """See ``AsyncClient.quarantine``."""
        return self._iterate(self._client.quarantine(page_size=page_size))

    def release_quarantined(self, message_id: UUID | str) -> None:
        """See ``AsyncClient.release_quarantined``."""
        self._run(self._client.release_quarantined(message_id))

    def drop_quarantined(self, message_id: UUID | str) -> None:
        """See ``AsyncClient.drop_quarantined``."""
        self._run(self._client.drop_quarantined(message_id))

    def display_sizes(self) -> Sequence[DisplaySize]:
        """See ``AsyncClient.display_sizes``."""
        return self._run(self._client.display_sizes())

    def set_display_sizes(self, sizes: Sequence[DisplaySize]) -> Sequence[DisplaySize]:
        """See ``AsyncClient.set_display_sizes``."""
        return self._run(self._client.set_display_sizes(sizes))

    def start_check(self, *, repair: bool = False) -> Check:
        """See ``AsyncClient.start_check``."""
        return self._run(self._client.start_check(repair=repair))

    def check(self, check_id: UUID | str) -> Check:
        """See ``AsyncClient.check``."""
        return self._run(self._client.check(check_id))

    def last_check(self) -> Check | None:
        """See ``AsyncClient.last_check``."""
        return self._run(self._client.last_check())

    def checks(self, *, page_size: int = 20) -> Iterator[Check]:
        """See ``AsyncClient.checks``."""
        return self._iterate(self._client.checks(page_size=page_size))

    def cancel_check(self, check_id: UUID | str) -> Check:
        """See ``AsyncClient.cancel_check``."""
        return self._run(self._client.cancel_check(check_id))

    def start_import(
        self,
        source: str,
        url: str | None = None,
        *,
        urls: Sequence[str] | None = None,
        recursive: bool = True,
        analyze: str = "",
        credential: str | None = None,
        authorization: ProviderToken | None = None,
    ) -> Import:
        """See ``AsyncClient.start_import``."""
        return self._run(
            self._client.start_import(
                source,
                url,
                urls=urls,
                recursive=recursive,
                analyze=analyze,
                credential=credential,
                authorization=authorization,
            )
        )

    def imports(
        self, *, status: ImportStatus | None = None, source: str | None = None, page_size: int = 20
    ) -> Iterator[Import]:
        """See ``AsyncClient.imports``."""
        return self._iterate(self._client.imports(status=status, source=source, page_size=page_size))

    def get_import(self, import_id: UUID | str) -> Import:
        """See ``AsyncClient.get_import``."""
        return self._run(self._client.get_import(import_id))

    def import_files(
        self, import_id: UUID | str, *, status: ImportFileStatus | None = None, page_size: int = 200
    ) -> Iterator[ImportFile]:
        """See ``AsyncClient.import_files``."""
        return self._iterate(self._client.import_files(import_id, status=status, page_size=page_size))

    def cancel_import(self, import_id: UUID | str) -> Import:
        """See ``AsyncClient.cancel_import``."""
        return self._run(self._client.cancel_import(import_id))

    def retry_import(self, import_id: UUID | str, *, authorization: ProviderToken | None = None) -> Import:
        """See ``AsyncClient.retry_import``."""
        return self._run(self._client.retry_import(import_id, authorization=authorization))

    def wait_for_import(
        self,
        import_id: UUID | str,
        timeout: float | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> Import:
        """See ``AsyncClient.wait_for_import``."""
        return self._run(self._client.wait_for_import(import_id, timeout, on_progress=on_progress))

    def analyze(
        self,
        image_id: UUID | str | None = None,
        *,
        file: Source | None = None,
        profile: str = DEFAULT_PROFILE,
        name: str | None = None,
        wait: float = 0,
        refresh: bool = False,
        on_progress: Progress | None = None,
    ) -> Analysis:
        """See ``AsyncClient.analyze``."""
        return self._run(
            self._client.analyze(
                image_id, file=file, profile=profile, name=name, wait=wait, refresh=refresh, on_progress=on_progress
            )
        )

    def analysis(self, analysis_id: UUID | str) -> Analysis:
        """See ``AsyncClient.analysis``."""
        return self._run(self._client.analysis(analysis_id))

    def analyses(self, image_id: UUID | str) -> Sequence[Analysis]:
        """See ``AsyncClient.analyses``."""
        return self._run(self._client.analyses(image_id))

    def wait_for_analysis(
        self,
        analysis_id: UUID | str,
        timeout: float | None = 300.0,
        *,
        on_look: OnLook | None = None,
    ) -> Analysis:
        """See ``AsyncClient.wait_for_analysis``."""
        return self._run(self._client.wait_for_analysis(analysis_id, timeout, on_look=on_look))

    def analysis_usage(
        self, first: date | None = None, last: date | None = None, *, owner: str | None = None
    ) -> UsageReport:
        """See ``AsyncClient.analysis_usage``."""
        return self._run(self._client.analysis_usage(first, last, owner=owner))
