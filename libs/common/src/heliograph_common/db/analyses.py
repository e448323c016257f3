"""What more than one service does with the rows of analyses: asking for them, sending them, what they say of their image.

Whoever changes the analyses of an image locks its row first (``summarize`` or a change of the image does), so that what the
image says of them is true and nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.sizes import ANALYSIS_SIZE
from heliograph_common.db.analysis_models import Analysis, AnalyzerState
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.import_models import ProviderState
from heliograph_common.ids import new_id

BUDGET = "analysis"
"""The vision model's name among the providers whose requests are paused."""
IMAGE_FAILED = "image_failed"
IMAGE_DELETED = "image_deleted"
MISSING_CREDENTIALS = "missing credentials"
_REPORTS_LAST = "1 minute"

AnalysisRow = Row[Any]


class Waiting(NamedTuple):
    """What an analysis waits for, and until when if anyone knows."""

    reason: str
    until: datetime | None


class Pause(NamedTuple):
    """Why the model is not asked at present, until when, and how many seconds that is from now."""

    reason: str
    until: datetime
    seconds: float


async def want(connection: AsyncConnection, image: Row[Any], profile: str, *, urgent: bool) -> AnalysisRow | None:
    """Has an image, whose row is locked, analyzed; ``None`` where that is nothing new. One that failed is asked for again;
    one that waits becomes ``urgent``."""
    values = {"id": new_id(), "owner": image.owner, "image_id": image.id, "profile": profile, "urgent": urgent}
    statement = insert(Analysis).values(values)
    failed = Analysis.status == "failed"
    hastened = (Analysis.status == "queued") & statement.excluded.urgent & ~Analysis.urgent
    again = {
        "ready_at": None,
        "sent_at": None,
        "not_before": None,
        "waiting_reason": None,
        "attempts": 0,
        "error_code": None,
        "error": None,
        "completed_at": None,
        "requested_at": func.now(),
    }
    changed = {name: case((failed, value), else_=getattr(Analysis, name)) for name, value in again.items()}
    wanted = statement.on_conflict_do_update(
        index_elements=["image_id", "profile"],
        set_={
            **changed,
            "status": "queued",
            "urgent": case((failed, statement.excluded.urgent), else_=Analysis.urgent | statement.excluded.urgent),
        },
        where=failed | hastened,
    )
    return (await connection.execute(wanted.returning(*Analysis.__table__.columns))).one_or_none()


async def summarize(connection: AsyncConnection, image_id: UUID, **values: Any) -> Row[Any]:
    """Has the image tell the state of its analyses, and sets ``values`` of it; returns its row."""
    told = update(Image).where(Image.id == image_id)
    told = told.values(analysis_status=_STATUS, updated_at=func.now(), **values)
    return (await connection.execute(told.returning(*Image.__table__.columns))).one()


async def find_analysis(
    connection: AsyncConnection, analysis_id: UUID, *, owner: str | None = None
) -> AnalysisRow | None:
    """An analysis of an image that is not deleted; with ``owner`` only if it is theirs."""
    statement = select(Analysis.__table__).join(Image, Image.id == Analysis.image_id)
    statement = statement.where(Analysis.id == analysis_id, Image.deleted_at.is_(None))
    if owner is not None:
        statement = statement.where(Analysis.owner == owner)
    return (await connection.execute(statement)).one_or_none()


async def analyses_of(connection: AsyncConnection, image_id: UUID) -> Sequence[AnalysisRow]:
    """All analyses of an image, the first asked for first."""
    statement = select(Analysis.__table__).where(Analysis.image_id == image_id).order_by(Analysis.id)
    return (await connection.execute(statement)).all()


async def can_be_shown(connection: AsyncConnection, image_id: UUID) -> bool:
    """Whether there is a rendition that a model can be shown."""
    shown = select(Rendition.name).where(Rendition.image_id == image_id, Rendition.name == ANALYSIS_SIZE.name)
    return (await connection.execute(shown)).one_or_none() is not None


async def make_ready(connection: AsyncConnection, image_id: UUID) -> Sequence[AnalysisRow]:
    """Notes that the image can be shown to a model. Returns the analyses that are to be sent at once, as sent; the others
    have their turns (see the analyzer)."""
    waiting = update(Analysis).where(Analysis.image_id == image_id, Analysis.status == "queued")
    ready = waiting.where(Analysis.ready_at.is_(None)).values(ready_at=func.now())
    await connection.execute(ready)
    due = func.coalesce(Analysis.not_before <= func.now(), True)
    urgent = waiting.where(Analysis.urgent, Analysis.sent_at.is_(None), due).values(sent_at=func.now())
    return (await connection.execute(urgent.returning(*Analysis.__table__.columns))).all()


async def fail_unshown(connection: AsyncConnection, image_id: UUID, reason: str) -> Sequence[AnalysisRow]:
    """Fails the analyses that wait for a rendition which will not come; returns them."""
    waiting = update(Analysis).where(Analysis.image_id == image_id, Analysis.status == "queued")
    failed = waiting.where(Analysis.ready_at.is_(None)).values(
        status="failed", error_code=IMAGE_FAILED, error=reason, completed_at=func.now()
    )
    return (await connection.execute(failed.returning(*Analysis.__table__.columns))).all()


async def revive(connection: AsyncConnection, image_id: UUID) -> bool:
    """Queues the analyses again that failed because the image did, which is rendered again; whether there were any."""
    failed = update(Analysis).where(Analysis.image_id == image_id, Analysis.error_code == IMAGE_FAILED)
    failed = failed.where(Analysis.status == "failed")
    queued = failed.values(
        status="queued",
        error_code=None,
        error=None,
        completed_at=None,
        sent_at=None,
        not_before=None,
        waiting_reason=None,
        attempts=0,
        requested_at=func.now(),
    )
    return (await connection.execute(queued)).rowcount > 0


async def reopen(connection: AsyncConnection, analysis_id: UUID, *, sent: bool) -> bool:
    """Has a failed analysis done after all; with ``sent`` by work that its caller asks for. ``False``: it has not failed,
    or is gone."""
    found = select(Analysis.image_id).where(Analysis.id == analysis_id)
    image_id = (await connection.execute(found)).scalar_one_or_none()
    if image_id is None:
        return False
    await connection.execute(select(Image.id).where(Image.id == image_id).with_for_update())
    failed = update(Analysis).where(Analysis.id == analysis_id, Analysis.status == "failed")
    queued = failed.values(
        status="queued",
        error_code=None,
        error=None,
        completed_at=None,
        attempts=0,
        not_before=None,
        requested_at=func.now(),
        sent_at=func.now() if sent else None,
    )
    if not (await connection.execute(queued)).rowcount:
        return False
    await summarize(connection, image_id)
    return True


async def end(connection: AsyncConnection, image_id: UUID) -> None:
    """Ends the analyses of an image that is deleted. Their work finds nothing to do: it is not locked here, because
    analyzers lock it before the image."""
    left = update(Analysis).where(Analysis.image_id == image_id, Analysis.status.in_(("queued", "running")))
    await connection.execute(
        left.values(status="failed", error_code=IMAGE_DELETED, error="the image was deleted", completed_at=func.now())
    )


async def analysis_configured(connection: AsyncConnection) -> bool:
    """Whether an analyzer that has credentials for its model reported within the last minute."""
    return (await _credentials(connection)) is None


async def unconfigured(connection: AsyncConnection) -> str | None:
    """Why no analyzer can ask its model; ``None``: one can."""
    return await _credentials(connection)


async def waiting_of(connection: AsyncConnection, row: AnalysisRow) -> Waiting | None:
    """What an analysis that is queued waits for; ``None``: its turn, or it is not queued."""
    if row.status != "queued":
        return None
    missing = await _credentials(connection)
    if missing is not None:
        return Waiting(missing, None)
    paused = await pause_of(connection, row.owner)
    if paused is not None:
        return Waiting(paused.reason, paused.until)
    if row.waiting_reason is not None and row.not_before is not None:
        return Waiting(row.waiting_reason, row.not_before)
    return None


async def pause_of(connection: AsyncConnection, owner: str) -> Pause | None:
    """Until when the model is not asked for an owner, because of an outage, a limit or a budget, theirs or all owners'."""
    budgets = (BUDGET, f"{BUDGET}:{owner}")
    left = func.extract("epoch", ProviderState.paused_until - func.now())
    statement = select(ProviderState.reason, ProviderState.paused_until, left).where(
        ProviderState.budget.in_(budgets), ProviderState.paused_until > func.now()
    )
    row = (await connection.execute(statement.order_by(ProviderState.paused_until.desc()).limit(1))).one_or_none()
    return None if row is None else Pause(row[0], row[1], float(row[2]))


async def report(connection: AsyncConnection, *, configured: bool, reason: str | None, retracted: bool = False) -> None:
    """Notes that an analyzer runs, whether it has credentials, and why not. ``retracted``: it had some until now; others
    that still have some say so soon."""
    statement = insert(AnalyzerState).values(id=1, configured_at=func.now() if configured else None, reason=reason)
    said = {"seen_at": func.now(), "reason": statement.excluded.reason}
    if configured or retracted:
        said["configured_at"] = statement.excluded.configured_at
    await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=said))


async def _credentials(connection: AsyncConnection) -> str | None:
    """Why no analyzer has credentials; ``None``: one has."""
    row = (await connection.execute(_REPORTED)).one_or_none()
    if row is None or not row.seen:
        return "no analyzer is running" if row is not None else MISSING_CREDENTIALS
    if row.configured:
        return None
    return row.reason or MISSING_CREDENTIALS


_STATUS = (
    select(
        case(
            (func.bool_or(Analysis.status == "running"), "processing"),
            (func.bool_or(Analysis.status == "queued"), "pending"),
            (func.bool_or(Analysis.status == "failed"), "failed"),
            (func.count() > 0, "complete"),
        )
    )
    .where(Analysis.image_id == Image.id)
    .scalar_subquery()
)
_REPORTED = text(f"""
    SELECT reason, seen_at > now() - interval '{_REPORTS_LAST}' AS seen,
        coalesce(configured_at > now() - interval '{_REPORTS_LAST}', false) AS configured
    FROM analyzer_state
""")  # noqa: S608 - a constant
