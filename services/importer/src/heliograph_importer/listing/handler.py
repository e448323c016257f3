"""Lists one page of a folder: takes it, asks the provider, writes what is in it by bulk statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from heliograph_common.contracts.body import Command
from heliograph_common.contracts.import_messages import ImportFailed, ImportStarted, ListFolder
from heliograph_common.contracts.links.registry import URLS
from heliograph_common.db.imports import event_facts
from heliograph_common.db.provider_states import resume
from heliograph_common.db.rows import Connection
from heliograph_common.errors import HeliographError
from heliograph_common.ingest.accept import safe_name
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.transaction import Transaction
from heliograph_importer.cleaning import clean, reason_of, size_of, storable
from heliograph_importer.listing import queries
from heliograph_importer.listing.queries import PageClaim
from heliograph_importer.providers import waits
from heliograph_importer.providers.sources import Sources
from heliograph_importer.providers.waits import Wait
from heliograph_importer.sources.port import (
    CursorLost,
    Folder,
    Page,
    ProviderFailed,
    QuotaExceeded,
    RemoteFile,
    SourceError,
)
from heliograph_importer.tally.queries import fail_import

log = structlog.get_logger(__name__)

_PASSES = 5
"""How often a folder is listed from its beginning, because its cursor was lost."""


class RepeatedPage(ProviderFailed):
    """The provider names a cursor as the next page that it has named before: wait and list the page again."""


class ListHandler:
    """Handles ``list.folder``. ``max_bytes``: what a file may have; ``max_files``: how many an import may have. ``ended`` is
    called with the import's id when a page has ended."""

    consumer = "importer-list"
    command = ListFolder

    def __init__(self, sources: Sources, *, max_bytes: int, max_files: int, ended: Callable[[Any], None]) -> None:
        self._sources = sources
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._ended = ended

    async def adopt(self, connection: Connection, command: Command) -> bool:
        """There is no work without a row: the same transaction writes both."""
        return False

    async def claim(self, job: Job, transaction: Transaction) -> PageClaim | None:
        """Takes the page; ``None`` when it is listed, its import has ended, or its provider is paused."""
        claim = await queries.claim(transaction.connection, job.command.target)
        if claim is not None and claim.started:
            transaction.event(ImportStarted(**event_facts(claim.job)), owner=claim.job.owner)
        return None if claim is None or claim.paused else claim

    async def handle(self, job: Job, claim: PageClaim) -> None:
        """Lists the page. What is the provider's fault goes back to its row, what is the folder's is recorded."""
        with structlog.contextvars.bound_contextvars(import_id=str(claim.job.id)):
            try:
                await self._list(job, claim)
            except SourceError as error:
                async with job.conclude() as transaction:
                    await self._fail(transaction, claim.page, error.code, reason_of(error))
            self._ended(claim.job.id)

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        """Marks the page as failed, and the import with it where it is that of the folder that was to be imported."""
        claim = await queries.claim(transaction.connection, job.command.target)
        if claim is not None:
            await self._fail(transaction, claim.page, "provider_failed", reason_of(failure))
            self._ended(claim.job.id)

    async def _list(self, job: Job, claim: PageClaim) -> None:
        urls: Sequence[str] = ()
        if claim.job.source == URLS:
            async with job.transaction() as transaction:
                urls = await queries.urls_of(transaction.connection, claim.job.id)
        source = self._sources.of(claim.job, urls=urls)
        try:
            if not claim.page.folder:
                root, name = await source.root()
                await self._save_root(job, claim, root, name)
                return
            page = await source.list(_folder(claim.page), claim.page.cursor)
            await self._save(job, claim, page)
        except CursorLost as error:
            await self._start_over(job, claim, error)
        except (QuotaExceeded, ProviderFailed) as error:
            wait = await waits.wait_for(error, source)
            if wait is None:
                raise
            await self._put_back(job, claim, wait)

    async def _save_root(self, job: Job, claim: PageClaim, root: Folder, name: str) -> None:
        async with job.conclude() as transaction:
            if not await self._goes_on(transaction.connection, claim):
                return
            await queries.name_import(transaction.connection, claim.job.id, clean(name))
            await queries.add_pages(transaction.connection, claim.job.id, [root])
            await self._done(transaction.connection, claim)

    async def _save(self, job: Job, claim: PageClaim, page: Page) -> None:
        row = claim.job
        async with job.conclude() as transaction:
            connection = transaction.connection
            if not await self._goes_on(connection, claim):
                return
            files = [file for file in page.files if storable(file.ref, file.details)]
            known = await queries.known_revisions(connection, row.owner, row.source, [file.ref for file in files])
            added = await queries.add_files(
                connection, row.id, [self._row(file, known.get(file.ref)) for file in files]
            )
            if row.found + added > self._max_files:
                reason = f"the folder has more than {self._max_files:,} files: import its folders one by one"
                await self._fail_import(transaction, claim.page, "too_many_files", reason)
                return
            folders = [folder for folder in page.folders if storable(folder.ref, folder.details)]
            if len(files) + len(folders) < len(page.files) + len(page.folders):
                log.warning("entries skipped whose references cannot be stored", folder=claim.page.path)
            if row.recursive:
                await queries.add_pages(connection, row.id, folders)
            if page.next is not None:
                await self._queue_next(connection, claim, page.next)
            await self._done(connection, claim)

    async def _queue_next(self, connection: Connection, claim: PageClaim, cursor: str) -> None:
        page = claim.page
        added = await queries.add_pages(
            connection, claim.job.id, [_folder(page)], cursor=cursor, pass_number=page.pass_number
        )
        if not added:
            raise RepeatedPage("the provider repeats a page of the folder instead of going on")

    async def _start_over(self, job: Job, claim: PageClaim, error: CursorLost) -> None:
        page = claim.page
        if page.pass_number + 1 >= _PASSES or not page.cursor:
            raise error
        async with job.conclude() as transaction:
            if not await self._goes_on(transaction.connection, claim):
                return
            await queries.add_pages(
                transaction.connection, claim.job.id, [_folder(page)], pass_number=page.pass_number + 1
            )
            await self._done(transaction.connection, claim)
        log.warning("folder listed again from its beginning", reason=str(error))

    async def _put_back(self, job: Job, claim: PageClaim, wait: Wait) -> None:
        async with job.conclude() as transaction:
            delay = await waits.pause(transaction.connection, claim.job.budget, wait)
            await queries.requeue(transaction.connection, claim.page.id, delay)

    async def _goes_on(self, connection: Connection, claim: PageClaim) -> bool:
        """Whether the import has not ended while the provider answered; else nothing is written, and the page is
        canceled."""
        if await queries.hold_active(connection, claim.job.id):
            return True
        await queries.cancel(connection, claim.page.id)
        return False

    async def _done(self, connection: Connection, claim: PageClaim) -> None:
        await queries.finish(connection, claim.page.id)
        if claim.failing:
            await resume(connection, claim.job.budget)

    async def _fail(self, transaction: Transaction, page: Any, code: str, reason: str) -> None:
        if page.path:  # a folder in it: the rest can still be imported
            await queries.fail(transaction.connection, page.id, code=code, reason=reason)
        else:
            await self._fail_import(transaction, page, code, reason)

    async def _fail_import(self, transaction: Transaction, page: Any, code: str, reason: str) -> None:
        await queries.fail(transaction.connection, page.id, code=code, reason=reason)
        row = await fail_import(transaction.connection, page.import_id, code=code, reason=reason)
        if row is not None:
            transaction.event(ImportFailed(**event_facts(row), reason=reason), owner=row.owner)

    def _row(self, file: RemoteFile, known: tuple[str, Any] | None) -> dict[str, Any]:
        row: dict[str, Any] = {
            "ref": file.ref,
            "name": safe_name(file.name),
            "path": clean(file.path),
            "bytes": size_of(file.size),
            "mime_type": None if file.mime_type is None else clean(file.mime_type),
            "revision": None if file.revision is None else clean(file.revision),
            "details": dict(file.details),
            "status": "queued",
            "code": None,
            "reason": None,
            "image_id": None,
        }
        if file.skip is not None:
            row |= {"status": "skipped", "code": file.skip[0], "reason": clean(file.skip[1])}
        elif file.size is not None and file.size > self._max_bytes:
            reason = (
                f"the file has {file.size:,} bytes and exceeds the limit of {self._max_bytes:,}: "
                "save the image at a smaller size or ask an administrator to raise the limit"
            )
            row |= {"status": "skipped", "code": "too_large", "reason": reason}
        elif known is not None and file.revision is not None and known[0] == row["revision"]:
            row |= {"status": "unchanged", "image_id": known[1]}
        return row


def _folder(page: Any) -> Folder:
    details: Mapping[str, str] = page.details
    return Folder(ref=page.folder, path=page.path, details=details)
