"""Renders one picture: claim, fetch, render, store, tell. The thumbnails are told of before the variants are made."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, Protocol

import structlog

from heliograph_common.blobs import keys
from heliograph_common.blobs.hashed import Hashed
from heliograph_common.blobs.port import Blobs
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.messages import (
    ImageFailed,
    ImageReady,
    RenderImage,
    RenditionInfo,
    ThumbnailsReady,
    VariantsReady,
)
from heliograph_common.contracts.sizes import ANALYSIS_SIZE
from heliograph_common.db.rows import Connection
from heliograph_common.db.statements import ImageRow, event_facts
from heliograph_common.errors import (
    BlobUnreadable,
    HeliographError,
    NotFound,
    Permanent,
    RejectedImage,
    Temporary,
)
from heliograph_common.ingest import analysis
from heliograph_common.ingest.sniff import Limits
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.transaction import Transaction
from heliograph_common.telemetry import metrics, spans
from heliograph_thumbnailer import queries as store
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob, Rendition, Step, ThumbnailsDone
from heliograph_thumbnailer.queries import Claim, Gone
from heliograph_thumbnailer.sandbox.zygote import RenderCrashed

log = structlog.get_logger(__name__)


class Renderer(Protocol):
    """Renders pictures somewhere where they can do no harm; ``pool.RenderPool`` does."""

    def render(self, original: int, job: RenderJob) -> AsyncGenerator[RenderEvent]:
        """Thumbnails first, then variants, of the file that the descriptor ``original`` reads.

        Raises:
            RejectedImage: the picture is at fault.
            RenderCrashed: the child died or took too long.
        """


class CircuitOpenError(Permanent):
    """The picture failed too often: check its reason, then ask for it to be retried."""


class OriginalMissingError(Permanent):
    """The object store has lost the original: upload the image again."""


class RenderHandler:
    """Handles ``render.image``."""

    consumer = "thumbnailer"
    command = RenderImage

    def __init__(self, blobs: Blobs, renderer: Renderer, limits: Limits, *, max_attempts: int) -> None:
        self._blobs = blobs
        self._renderer = renderer
        self._limits = limits
        self._max_attempts = max_attempts

    async def adopt(self, connection: Connection, command: Command) -> bool:
        """Whether something is still to be rendered."""
        return await store.is_unfinished(connection, command.target)

    async def claim(self, job: Job, transaction: Transaction) -> Claim | None:
        """Takes the picture; ``None`` when it is complete, failed or deleted."""
        if job.fence is None:
            raise RuntimeError("the attempt has not begun")
        return await store.claim(transaction.connection, job.command.target, job.fence)

    async def handle(self, job: Job, claim: Claim) -> None:
        """Renders what is missing of the picture."""
        with structlog.contextvars.bound_contextvars(image_id=str(claim.image.id)):
            try:
                await self._attempt(job, claim)
            except Gone as gone:  # its work went with it
                log.info("image gone, render skipped", reason=str(gone))

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        """Marks the image as failed and says so."""
        row = await store.fail(
            transaction.connection,
            job.command.target,
            reason=str(failure),
            retryable=not isinstance(failure, RejectedImage),
        )
        if row is None:
            return
        if row.processing_status == "failed":
            transaction.event(_failed(row), owner=row.owner)
        await analysis.fail_unshown(transaction, row, str(failure))

    async def _attempt(self, job: Job, held: Claim) -> None:
        try:
            await self._render(job, held)
        except (RenderCrashed, BlobUnreadable) as failure:
            raise await self._count(job, held, failure) from failure

    async def _render(self, job: Job, held: Claim) -> None:
        wanted = RenderJob(held.plan.thumbnails, held.plan.variants, self._limits)
        with os.fdopen(os.memfd_create("original", os.MFD_CLOEXEC), "w+b") as original:
            await self._fetch(held.image, original)
            async with contextlib.aclosing(self._renderer.render(original.fileno(), wanted)) as events:
                async for event in events:
                    _record(event.steps)
                    await self._upload(held.plan.keys, event.renditions)
                    if isinstance(event, ThumbnailsDone):
                        await self._thumbnails(job, held, event)
                    else:
                        await self._variants(job, held, event.renditions)

    async def _fetch(self, image: ImageRow, original: BinaryIO) -> None:
        hashed = Hashed(original)
        try:
            await self._blobs.download_to(keys.original(image.sha256, image.incarnation), hashed)
        except NotFound as error:
            raise OriginalMissingError("the object store has lost the original: upload the image again") from error
        if hashed.sha256 != image.sha256:
            raise BlobUnreadable("the object store returned different bytes than were stored")
        original.flush()

    async def _upload(self, by_name: Mapping[str, str], renditions: Sequence[Rendition]) -> None:
        await asyncio.gather(
            *(self._blobs.put(by_name[one.name], one.data, content_type=f"image/{one.format}") for one in renditions)
        )

    async def _thumbnails(self, job: Job, held: Claim, done: ThumbnailsDone) -> None:
        async with job.transaction() as transaction:
            row = await store.save_thumbnails(transaction.connection, held, done.renditions, done.facts)
            # One that only a model is shown, made later than the others, is no news: they have been told of.
            if any(one.name != ANALYSIS_SIZE.name for one in done.renditions):
                transaction.event(_thumbnails_ready(row, done.renditions), owner=row.owner)
            if ANALYSIS_SIZE.name in held.plan.keys:
                await analysis.send_ready(transaction, row)
        if not held.aside:
            _note_latency("thumbnails", row)

    async def _variants(self, job: Job, held: Claim, renditions: Sequence[Rendition]) -> None:
        async with job.conclude() as transaction:
            row = await store.save_variants(transaction.connection, held, renditions)
            if renditions:
                transaction.event(_variants_ready(row, renditions), owner=row.owner)
            if not held.aside:
                transaction.event(_ready(row), owner=row.owner)
        if not held.aside:
            _note_latency("ready", row)

    async def _count(self, job: Job, held: Claim, failure: Temporary) -> HeliographError:
        async with job.transaction() as transaction:
            attempts = await store.count_failed_attempt(transaction.connection, held, str(failure))
        if attempts >= self._max_attempts:
            return CircuitOpenError(f"{failure} ({attempts} attempts)")
        return failure


def _infos(renditions: Sequence[Rendition]) -> list[RenditionInfo]:
    return [
        RenditionInfo(
            name=one.name,
            kind=one.kind,
            width=one.width,
            height=one.height,
            format=one.format,
            bytes=len(one.data),
            limited=one.limited,
        )
        for one in renditions
    ]


def _thumbnails_ready(row: ImageRow, renditions: Sequence[Rendition]) -> ThumbnailsReady:
    return ThumbnailsReady(
        **event_facts(row),
        renditions=_infos(renditions),
        thumbhash=row.thumbhash,
        dominant_color=row.dominant_color,
    )


def _variants_ready(row: ImageRow, renditions: Sequence[Rendition]) -> VariantsReady:
    return VariantsReady(**event_facts(row, followed=True), renditions=_infos(renditions))


def _ready(row: ImageRow) -> ImageReady:
    return ImageReady(**event_facts(row), accepted_at=row.created_at)


def _failed(row: ImageRow) -> ImageFailed:
    return ImageFailed(
        **event_facts(row),
        reason=row.processing_error,
        attempts=row.processing_attempts,
        retryable=row.processing_retryable,
    )


def _note_latency(stage: str, row: ImageRow) -> None:
    seconds = (datetime.now(UTC) - row.created_at).total_seconds()
    metrics.observe(metrics.stage_latency.labels(stage=stage), max(0.0, seconds))


def _record(steps: Sequence[Step]) -> None:
    """The child's steps as spans. They carry their start relative to the job; the last one ends about now."""
    now = time.time_ns()
    if not steps:
        return
    end = max(step.start + step.seconds for step in steps)
    for step in steps:
        start = now - round((end - step.start) * 1e9)
        spans.step_span(f"render {step.name}", start, start + round(step.seconds * 1e9))
        name, _, detail = step.name.partition(" ")
        metrics.observe(metrics.render_seconds.labels(step=name, format=detail), step.seconds)
