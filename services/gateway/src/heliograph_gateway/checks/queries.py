"""Statements on the table of checks, each inside its caller's transaction; and a check as clients see it.

A check is moved along by whoever has its lease, which is in ``position`` and ends by itself, so any replica may die. Saving
names the lease: what a replica did that was frozen for longer is dropped, and done again by the one that took over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Row, cast, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from heliograph_common.clock import rfc3339
from heliograph_common.db.check_models import ConsistencyCheck
from heliograph_common.ids import new_id
from heliograph_gateway.checks.findings import KINDS

CheckRow = Row[Any]

LEASE = timedelta(minutes=1)
"""How long after its last page a check waits for a replica that may be dead."""
_KEPT = timedelta(days=90)
_COLUMNS = ConsistencyCheck.__table__.columns
_RUNNING = ConsistencyCheck.state == "running"
_DUE = text("""
    SELECT coalesce((SELECT max(started_at) FROM consistency_checks), (SELECT created_at FROM images ORDER BY id LIMIT 1))
        < now() - :every
""")


async def start(connection: AsyncConnection, *, repair: bool, requested_by: str) -> CheckRow | None:
    """Begins a check; ``None`` when one is running. Old ones are forgotten."""
    await connection.execute(delete(ConsistencyCheck).where(ConsistencyCheck.finished_at < func.now() - _KEPT))
    values = {
        "id": new_id(),
        "repair": repair,
        "requested_by": requested_by,
        "position": {},
        "counts": {},
        "samples": {},
    }
    begun = insert(ConsistencyCheck).values(values)
    once = begun.on_conflict_do_nothing(index_elements=["state"], index_where=text("state = 'running'"))
    return (await connection.execute(once.returning(*_COLUMNS))).one_or_none()


async def start_when_due(connection: AsyncConnection, *, every: timedelta, requested_by: str) -> bool:
    """Begins a check with repair where the newest, or else the oldest image, is older than ``every``; whether it did."""
    due = (await connection.execute(_DUE, {"every": every})).scalar_one()
    return bool(due) and await start(connection, repair=True, requested_by=requested_by) is not None


async def find(connection: AsyncConnection, check_id: UUID) -> CheckRow | None:
    """One check."""
    return (await connection.execute(select(*_COLUMNS).where(ConsistencyCheck.id == check_id))).one_or_none()


async def newest(connection: AsyncConnection) -> CheckRow | None:
    """The newest check; if one is running, it is this."""
    found = await page(connection, before=None, limit=1)
    return found[0] if found else None


async def page(connection: AsyncConnection, *, before: UUID | None, limit: int) -> Sequence[CheckRow]:
    """Checks older than ``before``, newest first."""
    statement = select(*_COLUMNS).order_by(ConsistencyCheck.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(ConsistencyCheck.id < before)
    return (await connection.execute(statement)).all()


async def cancel(connection: AsyncConnection, check_id: UUID) -> CheckRow | None:
    """Ends a check where it stands; ``None`` when it is not running. What was repaired stays so."""
    ended = update(ConsistencyCheck).where(ConsistencyCheck.id == check_id, _RUNNING)
    ended = ended.values(state="cancelled", finished_at=func.now())
    return (await connection.execute(ended.returning(*_COLUMNS))).one_or_none()


async def claim(connection: AsyncConnection, lease: UUID) -> CheckRow | None:
    """Takes the running check, unless somebody else moves it along."""
    until = ConsistencyCheck.position["leased_until"].astext.cast(DateTime(timezone=True))
    free = or_(until.is_(None), until < func.now())
    claimed = (
        update(ConsistencyCheck).where(_RUNNING, free).values(position=_position(ConsistencyCheck.position, lease))
    )
    return (await connection.execute(claimed.returning(*_COLUMNS))).one_or_none()


async def release(connection: AsyncConnection, check_id: UUID, lease: UUID, *, error: str | None) -> None:
    """Gives the check to whoever comes next; ``error``: what keeps it from going on."""
    free = ConsistencyCheck.position.op("-")("lease").op("-")("leased_until")
    statement = update(ConsistencyCheck).where(*_mine(check_id, lease))
    await connection.execute(statement.values(position=free, error=error))


async def save(
    connection: AsyncConnection,
    check_id: UUID,
    lease: UUID,
    *,
    place: Mapping[str, Any],
    counts: Mapping[str, Any],
    samples: Mapping[str, Any],
    complete: bool,
) -> bool:
    """Notes how far the check is and what it found; ``False`` when it is somebody else's by now, or cancelled."""
    values: dict[str, Any] = {
        "position": _position(cast(dict(place), JSONB), lease),
        "counts": dict(counts),
        "samples": dict(samples),
        "moved_at": func.now(),
        "error": None,
    }
    if complete:
        values |= {"state": "complete", "finished_at": func.now()}
    saved = await connection.execute(update(ConsistencyCheck).where(*_mine(check_id, lease)).values(values))
    return saved.rowcount == 1


async def fail(connection: AsyncConnection, check_id: UUID, lease: UUID, error: str) -> None:
    """Ends a check that cannot go on."""
    failed = update(ConsistencyCheck).where(*_mine(check_id, lease))
    await connection.execute(failed.values(state="failed", error=error, finished_at=func.now()))


def shape(row: CheckRow) -> dict[str, Any]:
    """A check as ``schemas.CheckShape`` has it."""
    findings = [
        {
            "kind": name,
            "found": counts[0],
            "repaired": counts[1],
            "repairable": KINDS[name].repairable,
            "remedy": KINDS[name].remedy,
            "samples": row.samples.get(name, []),
        }
        for name, counts in sorted(row.counts.items())
        if name in KINDS  # else of another version of this service
    ]
    running = row.state == "running"
    return {
        "id": str(row.id),
        "state": row.state,
        "repair": row.repair,
        "progress": 100 if row.state == "complete" else int(row.position.get("progress", 0)),
        "step": row.position.get("step") if running else None,
        "found": sum(each["found"] for each in findings),
        "repaired": sum(each["repaired"] for each in findings),
        "findings": findings,
        "error": row.error,
        "requested_by": row.requested_by,
        "started_at": rfc3339(row.started_at),
        "moved_at": rfc3339(row.moved_at),
        "finished_at": None if row.finished_at is None else rfc3339(row.finished_at),
        "links": {"self": f"/v1/admin/checks/{row.id}"}
        | ({"cancel": f"/v1/admin/checks/{row.id}/cancel"} if running else {}),
    }


def _position(place: ColumnElement[Any] | InstrumentedAttribute[Any], lease: UUID) -> ColumnElement[Any]:
    until = func.now() + LEASE
    return place.op("||")(func.jsonb_build_object("lease", str(lease), "leased_until", until))


def _mine(check_id: UUID, lease: UUID) -> tuple[ColumnElement[bool], ...]:
    return ConsistencyCheck.id == check_id, _RUNNING, ConsistencyCheck.position["lease"].astext == str(lease)
