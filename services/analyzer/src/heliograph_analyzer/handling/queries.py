"""The statements of one analysis. A write names the fence of its attempt, and fails with ``Stale`` where a newer one has the
analysis. The image's row is locked first (see ``db.analyses``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_analyzer.profiles.port import MOST_TAGS, Facts
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import AnalyzeImage, RenderImage
from heliograph_common.contracts.sizes import ANALYSIS_SIZE
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import analyses, work
from heliograph_common.db.analyses import AnalysisRow
from heliograph_common.db.analysis_models import Analysis
from heliograph_common.db.image_models import Rendition
from heliograph_common.db.statements import ImageRow, find_image, lock_image
from heliograph_common.errors import Stale
from heliograph_common.messaging.transaction import Transaction

_UNFINISHED = ("queued", "running")


@dataclass(frozen=True)
class Claim:
    """An analysis that is to be done, its image, the object key of the rendition that a model is shown, the fence of the
    attempt, and how long ago it was requested."""

    analysis: AnalysisRow
    image: ImageRow
    picture: str
    fence: int
    age: timedelta


Meanwhile = Callable[[AsyncConnection, AnalysisRow, ImageRow], Awaitable[timedelta | None]]


async def is_unfinished(connection: AsyncConnection, command: AnalyzeImage) -> bool:
    """Whether the analysis is still to be done. Older gateways write no row of it: ``claim`` does."""
    found = select(Analysis.status).where(_named(command))
    status = (await connection.execute(found)).scalar_one_or_none()
    if status is None and command.analysis_id is None:
        return await find_image(connection, command.image_id) is not None
    return status in _UNFINISHED


async def claim(transaction: Transaction, command: AnalyzeImage, fence: int, meanwhile: Meanwhile) -> Claim | None:
    """Takes an analysis for the attempt ``fence``; ``None`` where there is nothing to do now: it is done, its image is
    deleted, another asks about the same pixels (``meanwhile`` tells when to come again), or there is no rendition yet,
    which is asked for then."""
    connection = transaction.connection
    if not await analyses.can_be_shown(connection, command.image_id):
        # Thumbnailers lock the work of rendering before the image.
        await work.lock(connection, RenderImage.kind, command.image_id)
    image = await lock_image(connection, command.image_id)
    if image is None:
        await analyses.end(connection, command.image_id)
        return None
    row = await _find_or_make(connection, command, image)
    if row is None or row.status not in _UNFINISHED:
        return None
    shown = select(Rendition.key).where(Rendition.image_id == image.id, Rendition.name == ANALYSIS_SIZE.name)
    picture = (await connection.execute(shown)).scalar_one_or_none()
    if picture is None:
        await _queue(connection, row, ready_at=None, sent_at=None)
        render = RenderImage(image_id=image.id)
        await transaction.request(subjects.render(Priority(image.priority)), render, owner=image.owner)
        return None
    ready = {"ready_at": func.coalesce(Analysis.ready_at, func.now())}
    delay = await meanwhile(connection, row, image)
    if delay is not None:
        await _queue(connection, row, sent_at=None, not_before=func.now() + delay, **ready)
        return None
    taken = update(Analysis).where(Analysis.id == row.id)
    started = {
        "started_at": func.coalesce(Analysis.started_at, func.now()),
        "sent_at": func.coalesce(Analysis.sent_at, func.now()),
    }
    taken = taken.values(status="running", fence=fence, not_before=None, waiting_reason=None, **started, **ready)
    age = (func.now() - Analysis.requested_at).label("age")
    held = (await connection.execute(taken.returning(*Analysis.__table__.columns, age))).one()
    image = await analyses.summarize(connection, image.id)
    return Claim(held, image, picture, fence, held.age)


async def complete(
    connection: AsyncConnection, held: Claim, facts: Facts, *, describes: bool, **values: Any
) -> tuple[AnalysisRow, ImageRow] | None:
    """Writes a result, and what of it becomes part of the image; ``None``: the image is deleted.

    Raises:
        Stale: a newer attempt has the analysis.
    """
    image = await lock_image(connection, held.image.id)
    if image is None:
        await analyses.end(connection, held.image.id)
        return None
    source = case((Analysis.calls > 0, "api"), else_="cache")
    row = await _fenced(
        connection,
        held,
        status="completed",
        source=source,
        error_code=None,
        error=None,
        completed_at=func.now(),
        **values,
    )
    return row, await analyses.summarize(connection, image.id, **_told(image, facts, describes))


async def fail(
    connection: AsyncConnection, held: Claim, *, code: str, reason: str
) -> tuple[AnalysisRow, ImageRow] | None:
    """Writes why there is no result. Raises and returns as ``complete`` does."""
    if await lock_image(connection, held.image.id) is None:
        await analyses.end(connection, held.image.id)
        return None
    row = await _fenced(connection, held, status="failed", error_code=code, error=reason, completed_at=func.now())
    return row, await analyses.summarize(connection, held.image.id)


async def requeue(
    connection: AsyncConnection, held: Claim, after: timedelta | datetime, *, reason: str | None, counts: bool = False
) -> None:
    """Has an analysis sent again ``after`` some time, or at one, as if this attempt had not been, unless it ``counts``.

    Raises:
        Stale: a newer attempt has it.
    """
    if await lock_image(connection, held.image.id) is None:
        await analyses.end(connection, held.image.id)
        return
    await _fenced(
        connection,
        held,
        status="queued",
        sent_at=None,
        not_before=after if isinstance(after, datetime) else func.now() + after,
        waiting_reason=reason,
        attempts=Analysis.attempts + (1 if counts else 0),
    )
    await analyses.summarize(connection, held.image.id)


async def give_up(
    connection: AsyncConnection, command: AnalyzeImage, *, code: str, reason: str
) -> tuple[AnalysisRow, ImageRow] | None:
    """Marks an analysis as failed unless it has ended. That no newer attempt has it is known by the end of its work, in the
    same transaction."""
    if await lock_image(connection, command.image_id) is None:
        await analyses.end(connection, command.image_id)
        return None
    failed = update(Analysis).where(_named(command), Analysis.status.in_(_UNFINISHED))
    failed = failed.values(status="failed", error_code=code, error=reason, completed_at=func.now())
    row = (await connection.execute(failed.returning(*Analysis.__table__.columns))).one_or_none()
    return None if row is None else (row, await analyses.summarize(connection, command.image_id))


def _named(command: AnalyzeImage) -> ColumnElement[bool]:
    if command.analysis_id is not None:
        return Analysis.id == command.analysis_id
    return and_(Analysis.image_id == command.image_id, Analysis.profile == command.profile)


async def _fenced(connection: AsyncConnection, held: Claim, **values: Any) -> AnalysisRow:
    mine = update(Analysis).where(Analysis.id == held.analysis.id, Analysis.fence == held.fence)
    mine = mine.where(Analysis.status == "running").values(**values)
    row = (await connection.execute(mine.returning(*Analysis.__table__.columns))).one_or_none()
    if row is None:
        raise Stale(f"analysis {held.analysis.id} is past fence {held.fence}")
    return row


async def _find_or_make(connection: AsyncConnection, command: AnalyzeImage, image: ImageRow) -> AnalysisRow | None:
    row = (await connection.execute(select(Analysis.__table__).where(_named(command)))).one_or_none()
    if row is not None or command.analysis_id is not None:
        return row
    row = await analyses.want(connection, image, command.profile, urgent=False)
    await analyses.summarize(connection, image.id, analysis_profile=command.profile)
    return row


async def _queue(connection: AsyncConnection, row: AnalysisRow, **values: Any) -> None:
    """Queues an analysis again. The image has a new revision only where it tells something new."""
    await connection.execute(update(Analysis).where(Analysis.id == row.id).values(status="queued", **values))
    if row.status != "queued":
        await analyses.summarize(connection, row.image_id)


def _told(image: ImageRow, facts: Facts, describes: bool) -> dict[str, Any]:
    """What of the facts becomes the image's: tags add up; texts fill what is empty, or take its place."""
    texts = {"caption": facts.caption, "alt_text": facts.alt_text}
    told: dict[str, Any] = {
        name: text for name, text in texts.items() if text is not None and (describes or getattr(image, name) is None)
    }
    if facts.tags:
        told["tags"] = list(dict.fromkeys([*facts.tags, *(image.tags or [])]))[:MOST_TAGS]
    return told
