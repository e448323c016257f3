"""Fetches one file: takes it, streams it through the same ingest as uploads, notes what became of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog

from heliograph_common.contracts.body import Command
from heliograph_common.contracts.import_messages import FetchFile, ImportFailed
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.imports import event_facts
from heliograph_common.db.provider_states import resume
from heliograph_common.db.rows import Connection, Row
from heliograph_common.errors import (
    BadImage,
    HeliographError,
    ImageTooLarge,
    RejectedImage,
    UnsupportedImage,
)
from heliograph_common.ingest.accept import Ingest
from heliograph_common.ingest.analysis import wanted
from heliograph_common.ingest.sniff import Limits, sniff_bytes
from heliograph_common.ingest.spool import Spool, Spooled
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.transaction import Transaction
from heliograph_importer.cleaning import reason_of
from heliograph_importer.fetching import queries
from heliograph_importer.fetching.queries import FileClaim
from heliograph_importer.providers import waits
from heliograph_importer.providers.sources import Sources
from heliograph_importer.providers.waits import Wait
from heliograph_importer.sources.port import (
    CredentialRefused,
    Download,
    ProviderFailed,
    QuotaExceeded,
    RemoteFile,
    SourceError,
    Unchanged,
)
from heliograph_importer.tally.queries import fail_import

log = structlog.get_logger(__name__)

_FIRST_DELAY, _LONGEST_DELAY = 2.0, 600.0
"""Seconds before the second attempt, and at most; each is four times the one before."""
_ENOUGH = 64
"""Bytes that tell whether a file may be an image at all; the rest of one that is none is not fetched."""


class FetchHandler:
    """Handles ``fetch.file``. ``max_attempts``: at one file, before it fails. ``ended`` is called with the import's id
    when a file has ended."""

    consumer = "importer-fetch"
    command = FetchFile

    def __init__(
        self, sources: Sources, ingest: Ingest, limits: Limits, *, max_attempts: int, ended: Callable[[Any], None]
    ) -> None:
        self._sources = sources
        self._ingest = ingest
        self._limits = limits
        self._max_attempts = max_attempts
        self._ended = ended

    async def adopt(self, connection: Connection, command: Command) -> bool:
        """There is no work without a row: the same transaction writes both."""
        return False

    async def claim(self, job: Job, transaction: Transaction) -> FileClaim | None:
        """Takes the file; ``None`` when there is nothing to do (see ``queries.claim``)."""
        if job.fence is None:
            raise RuntimeError("the attempt has not begun")
        claim = await queries.claim(transaction.connection, job.command.target, job.fence)
        if claim is None and isinstance(job.command, FetchFile):
            self._ended(job.command.import_id)
        return claim

    async def handle(self, job: Job, claim: FileClaim) -> None:
        """Fetches the file. What is the provider's fault goes back to its row, what is the file's is recorded."""
        with structlog.contextvars.bound_contextvars(import_id=str(claim.job.id), file_id=str(claim.file.id)):
            try:
                await self._fetch(job, claim)
            except CredentialRefused as error:
                await self._stop_import(job, claim, error)
            except SourceError as error:
                await self._end(job, claim, "failed", error.code, reason_of(error))
            except RejectedImage as error:
                status, code = _verdict(error)
                await self._end(job, claim, status, code, reason_of(error))
            self._ended(claim.job.id)

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        """Marks the file as failed."""
        import_id = await queries.give_up(
            transaction.connection, job.command.target, code="provider_failed", reason=reason_of(failure)
        )
        if import_id is not None:
            self._ended(import_id)

    async def _fetch(self, job: Job, claim: FileClaim) -> None:
        source = self._sources.of(claim.job)
        try:
            with Spool(self._limits) as spool:
                async with source.open(_remote(claim)) as download:
                    spooled = await _spooled(spool, download)
                    revision = claim.file.revision or download.revision
                await self._accept(claim, spooled, revision)
        except Unchanged:
            await self._unchanged(job, claim)
        except (QuotaExceeded, ProviderFailed) as error:
            wait = await waits.wait_for(error, source)
            if wait is None:
                await self._again(job, claim, error)
            else:
                await self._put_back(job, claim, wait)
        else:
            async with job.conclude() as transaction:
                await _resumed(transaction, claim)

    async def _accept(self, claim: FileClaim, spooled: Spooled, revision: str | None) -> None:
        async def settle(connection: Connection, image: Row[Any]) -> None:
            await queries.imported(connection, claim, image, size=spooled.size, revision=revision)

        await self._ingest.accept(
            spooled,
            owner=claim.job.owner,
            name=claim.file.name,
            source=claim.job.source,
            source_ref=claim.file.ref,
            priority=Priority.LOW,
            analyze=wanted(claim.job.analysis_profile),
            settle=settle,
        )

    async def _end(self, job: Job, claim: FileClaim, status: str, code: str, reason: str) -> None:
        async with job.conclude() as transaction:
            await queries.end(transaction.connection, claim, status=status, code=code, reason=reason)
            await _resumed(transaction, claim)

    async def _stop_import(self, job: Job, claim: FileClaim, error: CredentialRefused) -> None:
        """Without a credential no other file can be had either: the import can be retried with another."""
        async with job.conclude() as transaction:
            await queries.end(transaction.connection, claim, status="failed", code=error.code, reason=reason_of(error))
            row = await fail_import(transaction.connection, claim.job.id, code=error.code, reason=reason_of(error))
            if row is not None:
                transaction.event(ImportFailed(**event_facts(row), reason=reason_of(error)), owner=row.owner)

    async def _unchanged(self, job: Job, claim: FileClaim) -> None:
        image_id = claim.known[1] if claim.known else None
        async with job.conclude() as transaction:
            await queries.end(transaction.connection, claim, status="unchanged", image_id=image_id)
            await _resumed(transaction, claim)

    async def _again(self, job: Job, claim: FileClaim, error: QuotaExceeded | ProviderFailed) -> None:
        """The file's own failure, or its host's: it is tried again later, holding no place meanwhile, or it fails."""
        if claim.file.attempts >= self._max_attempts:
            await self._end(job, claim, "failed", "provider_failed", reason_of(error))
            return
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 4 ** (claim.file.attempts - 1))
        delay *= random.uniform(0.75, 1.25)  # noqa: S311 - jitter
        async with job.conclude() as transaction:
            await queries.requeue(transaction.connection, claim, timedelta(seconds=delay), counts=True)
        log.warning("file failed, retrying", attempts=claim.file.attempts, delay=delay, error=reason_of(error))

    async def _put_back(self, job: Job, claim: FileClaim, wait: Wait) -> None:
        async with job.conclude() as transaction:
            delay = await waits.pause(transaction.connection, claim.job.budget, wait)
            await queries.requeue(transaction.connection, claim, delay)


async def _resumed(transaction: Transaction, claim: FileClaim) -> None:
    """The provider answered: that ends a pause that others had to make."""
    if claim.failing:
        await resume(transaction.connection, claim.job.budget)


async def _spooled(spool: Spool, download: Download) -> Spooled:
    head = b""
    async for chunk in download.chunks:
        if len(head) < _ENOUGH:
            head += chunk[:_ENOUGH]
            _refuse_what_is_no_image(head)
        spool.write(chunk)
    return await spool.finish()


def _refuse_what_is_no_image(head: bytes) -> None:
    if len(head) < _ENOUGH:
        return
    try:
        sniff_bytes(head[:_ENOUGH])
    except UnsupportedImage:
        raise
    except RejectedImage:  # its header goes on
        return


def _remote(claim: FileClaim) -> RemoteFile:
    file = claim.file
    return RemoteFile(
        ref=file.ref,
        name=file.name,
        path=file.path,
        size=file.bytes,
        mime_type=file.mime_type,
        revision=file.revision,
        details=file.details,
        known_revision=claim.known[0] if claim.known else None,
    )


def _verdict(error: RejectedImage) -> tuple[str, str]:
    match error:
        case ImageTooLarge():
            return "skipped", "too_large"
        case UnsupportedImage():
            return "skipped", "not_an_image"
        case BadImage():
            return "failed", "bad_image"
    return "failed", "rejected"
