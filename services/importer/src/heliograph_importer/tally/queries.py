"""The tally's statements: counts of an import from its rows, and the ends of imports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ARRAY, BindParameter, Row, Uuid, all_, any_, bindparam, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.import_models import Import, ProviderState
from heliograph_common.telemetry import metrics

_SWEEP = 5_000
COLUMNS = tuple(column for column in Import.__table__.columns if column.key != "urls")
"""Without the list of addresses, which may be long."""
COMPLETED: dict[str, Any] = {"status": "completed", "finished_at": func.now(), "authorization": None}
"""What ``write`` ends an import with."""


async def lock_due(
    connection: AsyncConnection, noted: Sequence[UUID], *, soon: timedelta, late: timedelta, without: Sequence[UUID]
) -> Row[Any] | None:
    """The unfinished import that was counted longest ago: ``soon`` ago if it is among ``noted``, else ``late``; locked.
    None of ``without``. ``since`` are the seconds since then, ``age`` those since it was begun, or begun again."""
    unfinished = text(
        "(imports.status IN ('queued', 'running') OR imports.counted_at IS NULL OR imports.found > imports.imported "
        "+ imports.unchanged + imports.skipped + imports.failed + imports.canceled)"
    )
    counted = func.coalesce(Import.counted_at, Import.created_at)
    due = or_(counted < func.now() - late, (Import.id == any_(array_of(noted))) & (counted < func.now() - soon))
    since = func.extract("epoch", func.now() - counted).label("since")
    age = func.extract("epoch", func.now() - func.coalesce(Import.started_at, Import.created_at)).label("age")
    others = Import.id != all_(array_of(without))
    statement = select(*COLUMNS, since, age).where(unfinished, due, others).order_by(counted).limit(1)
    locked = await connection.execute(statement.with_for_update(skip_locked=True))
    return cast("Row[Any] | None", locked.one_or_none())


async def count(connection: AsyncConnection, import_id: UUID) -> Row[Any]:
    """The counts of an import as its rows are now."""
    return (await connection.execute(_COUNT, {"import_id": import_id})).one()


async def cancel_queued(connection: AsyncConnection, import_id: UUID) -> int:
    """Marks up to ``_SWEEP`` files that were not sent, and all such pages, as canceled; returns how many files."""
    await connection.execute(_CANCEL_PAGES, {"import_id": import_id})
    return (await connection.execute(_CANCEL_FILES, {"import_id": import_id, "limit": _SWEEP})).rowcount


async def write(connection: AsyncConnection, import_id: UUID, *, revise: bool, **values: Any) -> Row[Any]:
    """Writes counts and rates; ``revise`` where an event tells of it."""
    changed = update(Import).where(Import.id == import_id).values(counted_at=func.clock_timestamp(), **values)
    if revise:
        changed = changed.values(revision=Import.revision + 1)
    return (await connection.execute(changed.returning(*COLUMNS))).one()


async def fail_import(connection: AsyncConnection, import_id: UUID, *, code: str, reason: str) -> Row[Any] | None:
    """Ends an import that cannot go on; ``None`` when it has ended already. What was not sent is canceled by the tally."""
    failed = (
        update(Import)
        .where(Import.id == import_id, Import.status.in_(("queued", "running")))
        .values(
            status="failed",
            error_code=code,
            error=reason,
            authorization=None,
            finished_at=func.now(),
            counted_at=None,
            revision=Import.revision + 1,
        )
    )
    row = (await connection.execute(failed.returning(*COLUMNS))).one_or_none()
    if row is not None:  # should the transaction fail yet, it is done again and counted twice
        metrics.imports.labels(source=row.source, outcome="failed").inc()
    return row


async def pause_of(connection: AsyncConnection, budget: str) -> Row[Any] | None:
    """Until when and why a budget is paused; ``None``: it is not."""
    statement = select(ProviderState.paused_until, ProviderState.reason)
    statement = statement.where(ProviderState.budget == budget, ProviderState.paused_until > func.now())
    return cast("Row[Any] | None", (await connection.execute(statement)).one_or_none())


async def forget(connection: AsyncConnection, *, before: timedelta, limit: int) -> int:
    """Deletes imports that ended longer ago than ``before``, up to ``limit``, with their files; images stay."""
    old = (
        select(Import.id).where(Import.finished_at < func.now() - before).limit(limit).with_for_update(skip_locked=True)
    )
    return (await connection.execute(delete(Import).where(Import.id.in_(old)))).rowcount


_COUNT = text("""
    SELECT count(*)::integer AS found,
           count(*) FILTER (WHERE status = 'fetching')::integer AS fetching,
           count(*) FILTER (WHERE status = 'imported')::integer AS imported,
           count(*) FILTER (WHERE status = 'unchanged')::integer AS unchanged,
           count(*) FILTER (WHERE status = 'skipped')::integer AS skipped,
           count(*) FILTER (WHERE status = 'failed')::integer AS failed,
           count(*) FILTER (WHERE status = 'canceled')::integer AS canceled,
           least(coalesce(sum(bytes), 0), 9223372036854775807)::bigint AS found_bytes,
           least(coalesce(sum(bytes) FILTER (WHERE status = 'imported'), 0), 9223372036854775807)::bigint
               AS imported_bytes,
           (SELECT NOT EXISTS (SELECT FROM import_pages AS page WHERE page.import_id = :import_id
                               AND page.status IN ('queued', 'sent'))) AS listed
    FROM import_files WHERE import_id = :import_id
""")
_CANCEL_PAGES = text("UPDATE import_pages SET status = 'canceled' WHERE import_id = :import_id AND status = 'queued'")
_CANCEL_FILES = text("""
    UPDATE import_files SET status = 'canceled', finished_at = now() WHERE id IN (
        SELECT id FROM import_files WHERE import_id = :import_id AND status = 'queued'
        LIMIT :limit FOR UPDATE SKIP LOCKED)
""")


def array_of(ids: Sequence[UUID]) -> BindParameter[Sequence[UUID]]:
    """One parameter, however many ids."""
    return bindparam(None, list(ids), type_=ARRAY(Uuid))
