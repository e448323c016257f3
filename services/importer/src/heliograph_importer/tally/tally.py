"""Counts what became of the files of each import, tells of it, and ends the import when nothing is left to do.

Counts come from the rows, never from what was said to have happened, so they are right whatever died in between. An import
that this process has worked on is counted twice a second at most; any other now and then, for what was left by one
that died. The row of the import is locked meanwhile: however many importers there are, one counts.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from heliograph_common.contracts.import_messages import ImportCompleted, ImportEvent, ImportFailed, ImportProgress
from heliograph_common.db.imports import event_facts
from heliograph_common.db.rows import Row
from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_common.telemetry import metrics
from heliograph_importer.tally import queries
from heliograph_importer.tally.rates import remaining, smoothed

log = structlog.get_logger(__name__)

SOON = timedelta(seconds=0.5)
LATE = timedelta(seconds=5)
_REMEMBERED = 60.0
_COUNTS = ("found", "fetching", "imported", "unchanged", "skipped", "failed", "canceled")
_OUTCOMES = ("imported", "unchanged", "skipped", "failed")
_ACTIVE = ("queued", "running")


class Tally:
    """A periodic task of each importer."""

    def __init__(
        self, messenger: Messenger, *, longest: timedelta, soon: timedelta = SOON, late: timedelta = LATE
    ) -> None:
        """``longest``: how long an import may take, waiting for its provider included."""
        self._messenger = messenger
        self._longest = longest
        self._soon = soon
        self._late = late
        self._noted: dict[UUID, float] = {}
        self._broken: dict[UUID, float] = {}

    def note(self, import_id: UUID) -> None:
        """Something became of a file or page of this import."""
        self._noted[import_id] = time.monotonic()

    async def run_once(self) -> int:
        """Counts all imports that are due; returns how many.

        Raises:
            DatabaseUnavailable: the rest is left for the next run.
        """
        counted = 0
        while await self._count_one():
            counted += 1
        self._forget()
        return counted

    async def _count_one(self) -> bool:
        row: Row[Any] | None = None
        try:
            async with self._messenger.transaction() as transaction:
                row = await queries.lock_due(
                    transaction.connection,
                    list(self._noted),
                    soon=self._soon,
                    late=self._late,
                    without=list(self._broken),
                )
                if row is None:
                    return False
                self._noted.pop(row.id, None)
                after = await self._counted(transaction, row)
        except Exception:  # that of one import must not keep the others from their ends
            if row is None:
                raise
            log.exception("import not counted", import_id=str(row.id))
            self._broken[row.id] = time.monotonic()
        else:
            if after is not None:
                _measure(row, after)
        return True

    async def _counted(self, transaction: Transaction, row: Row[Any]) -> Row[Any] | None:
        if row.status not in _ACTIVE:
            await queries.cancel_queued(transaction.connection, row.id)
        elif row.age > self._longest.total_seconds():
            await self._end_late(transaction, row)
            return None
        return await _count(transaction, row)

    def _forget(self) -> None:
        """What was noted long ago is counted as any other; what could not be counted is tried again."""
        horizon = time.monotonic() - _REMEMBERED
        self._noted = {each: at for each, at in self._noted.items() if at > horizon}
        self._broken = {each: at for each, at in self._broken.items() if at > horizon}

    async def _end_late(self, transaction: Transaction, row: Row[Any]) -> None:
        reason = (
            f"the import was not done after {self._longest.total_seconds() / 86_400:g} days: retry it to go on, "
            "or check the quota of its provider"
        )
        ended = await queries.fail_import(transaction.connection, row.id, code="took_too_long", reason=reason)
        if ended is not None:
            transaction.event(ImportFailed(**event_facts(ended), reason=reason), owner=ended.owner)


async def _count(transaction: Transaction, before: Row[Any]) -> Row[Any]:
    counts = await queries.count(transaction.connection, before.id)
    values: dict[str, Any] = {name: getattr(counts, name) for name in _COUNTS}
    values |= {"found_bytes": counts.found_bytes, "imported_bytes": counts.imported_bytes, "listed": counts.listed}
    active = before.status in _ACTIVE
    ended = before.status == "running" and counts.listed and _left(counts) == 0
    if active:
        values |= _rates(before, counts)
    if ended:
        values |= queries.COMPLETED
    changed = ended or any(getattr(before, name) != getattr(counts, name) for name in (*_COUNTS, "listed"))
    after = await queries.write(transaction.connection, before.id, revise=active and changed, **values)
    if ended:
        transaction.event(ImportCompleted(**event_facts(after)), owner=after.owner)
        log.info("import completed", import_id=str(after.id), **{name: getattr(after, name) for name in _COUNTS})
    elif active and changed:
        transaction.event(await _progress(transaction, after), owner=after.owner)
    return after


def _measure(before: Row[Any], after: Row[Any]) -> None:
    """Counts for metrics what has been added. A retry takes files back, which is nothing to a counter."""
    for outcome in _OUTCOMES:
        added = getattr(after, outcome) - getattr(before, outcome)
        metrics.import_files.labels(source=after.source, outcome=outcome).inc(max(0, added))
    metrics.import_bytes.labels(source=after.source).inc(max(0, after.imported_bytes - before.imported_bytes))
    if after.status != before.status:
        metrics.imports.labels(source=after.source, outcome=after.status).inc()


def _left(counts: Row[Any]) -> int:
    """Files that are not done."""
    return int(counts.found - sum(getattr(counts, name) for name in _COUNTS[2:]))


def _rates(before: Row[Any], counts: Row[Any]) -> dict[str, float | None]:
    seconds = float(before.since)
    files = counts.imported + counts.failed - before.imported - before.failed
    return {
        "files_per_second": smoothed(before.files_per_second, max(0, files), seconds),
        "bytes_per_second": smoothed(
            before.bytes_per_second, max(0, counts.imported_bytes - before.imported_bytes), seconds
        ),
    }


async def _progress(transaction: Transaction, row: Row[Any]) -> ImportEvent:
    paused = await queries.pause_of(transaction.connection, row.budget)
    return ImportProgress(
        **event_facts(row),
        files_per_second=row.files_per_second,
        remaining_seconds=remaining(_left(row), row.files_per_second) if row.listed else None,
        waiting_reason=None if paused is None else paused.reason,
        waiting_until=None if paused is None else paused.paused_until,
    )
