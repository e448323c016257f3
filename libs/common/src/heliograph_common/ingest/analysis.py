"""Requests analyses of an image. A vision model is shown a rendition of its own, so an analysis is sent once that is there:
the thumbnailer, which makes it with the thumbnails for images that are to be analyzed, says so here. What comes of it then
is the analyzer's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import AnalyzeImage, ImageAnalysisFailed, RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import analyses, work
from heliograph_common.db.analyses import AnalysisRow
from heliograph_common.db.statements import ImageRow, event_facts, lock_image
from heliograph_common.ingest.ports import OpenTransaction


@dataclass(frozen=True)
class Wanted:
    """An analysis that comes with a file. ``urgent``: somebody waits for it."""

    profile: str
    urgent: bool = False


def wanted(profile: str | None) -> Wanted | None:
    """The analysis of a profile, for which nobody waits."""
    return None if profile is None else Wanted(profile)


async def ask(transaction: OpenTransaction, row: ImageRow, wanted: Wanted) -> ImageRow:
    """Has an image analyzed, unless it was already or will be; returns its row as it is then. Nobody has an image rendered
    here that has failed: analyses of it fail."""
    await work.lock(transaction.connection, RenderImage.kind, row.id)  # workers lock it before the image
    locked = await lock_image(transaction.connection, row.id)
    if locked is None:
        return row
    if await analyses.want(transaction.connection, locked, wanted.profile, urgent=wanted.urgent) is None:
        return locked
    if await analyses.can_be_shown(transaction.connection, row.id):
        await send_ready(transaction, row)
    elif locked.processing_status == "failed":
        return await fail_unshown(transaction, locked, locked.processing_error) or locked
    else:
        priority = Priority.HIGH if wanted.urgent else Priority(locked.priority)
        await transaction.request(subjects.render(priority), RenderImage(image_id=row.id), owner=row.owner)
    return await analyses.summarize(transaction.connection, row.id, analysis_profile=wanted.profile)


async def send_ready(transaction: OpenTransaction, row: ImageRow) -> None:
    """Says that the image, whose row is locked, can be shown to a model. What is urgent is sent."""
    await send(transaction, await analyses.make_ready(transaction.connection, row.id))


async def send(transaction: OpenTransaction, rows: Iterable[AnalysisRow]) -> None:
    """Sends the commands of analyses that were just marked as sent."""
    await transaction.request_all(
        [
            (
                subjects.analyze(row.profile),
                AnalyzeImage(image_id=row.image_id, profile=row.profile, analysis_id=row.id),
                row.owner,
            )
            for row in rows
        ]
    )


async def fail_unshown(transaction: OpenTransaction, row: ImageRow, why: str | None) -> ImageRow | None:
    """Fails the analyses of an image, whose row is locked, that could not be rendered; ``None``: there were none."""
    reason = f"the image could not be rendered: {why or 'retry it'}"
    failed = await analyses.fail_unshown(transaction.connection, row.id, reason)
    told = None
    for one in failed:
        told = await analyses.summarize(transaction.connection, row.id)
        event = ImageAnalysisFailed(
            **event_facts(told), analysis_id=one.id, profile=one.profile, code=analyses.IMAGE_FAILED, reason=reason
        )
        transaction.event(event, owner=row.owner)
    return told


async def revive(transaction: OpenTransaction, row: ImageRow) -> ImageRow:
    """Queues the analyses again that failed because the image did, which is rendered again."""
    if not await analyses.revive(transaction.connection, row.id):
        return row
    return await analyses.summarize(transaction.connection, row.id)
