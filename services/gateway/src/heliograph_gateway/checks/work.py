"""The step over rows of work, in the order of their targets: work on images that want none, and work that the reconciler has
not looked after.

Work on a complete image is none of these: that is how it gets a new display size. Work whose command is lost is the
reconciler's (``messaging.reconcile``), minutes before it would be told here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from heliograph_common.db import work
from heliograph_common.db.engine import Database
from heliograph_gateway.checks.findings import WORK_OVERDUE, WORK_SUPERFLUOUS, Finding, Page
from heliograph_gateway.checks.objects import PAGE

_TARGETS = text("""
    SELECT kind, target FROM work WHERE (kind, target) > (:kind, :target) ORDER BY kind, target LIMIT :limit
""").bindparams(bindparam("target", type_=Uuid))
_WRONG = text("""
    SELECT work.kind, work.target, work.owner, check_at < now() - interval '1 hour' AS overdue,
           images.id IS NULL OR deleted_at IS NOT NULL OR (kind = 'render' AND processing_status = 'failed') AS superfluous
    FROM unnest(CAST(:kinds AS text[]), CAST(:targets AS uuid[])) AS looked_at (its_kind, its_target)
    JOIN work ON work.kind = its_kind AND work.target = its_target
    LEFT JOIN images ON images.id = work.target AND work.kind IN ('render', 'analyze')
    WHERE check_at < now() - interval '1 hour' OR (work.kind IN ('render', 'analyze')
      AND (images.id IS NULL OR deleted_at IS NOT NULL OR (kind = 'render' AND processing_status = 'failed')))
    ORDER BY work.kind, work.target
""").bindparams(bindparam("targets", type_=ARRAY(Uuid)))
_DROP = text("""
    DELETE FROM work WHERE kind = :kind AND target = :target AND NOT EXISTS (
        SELECT FROM images WHERE images.id = work.target AND deleted_at IS NULL
        AND NOT (work.kind = 'render' AND processing_status = 'failed'))
""").bindparams(bindparam("target", type_=Uuid))


class WorkRows:
    """See the module."""

    name = "work"
    weight = 4

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, after: str, *, repair: bool) -> Page:
        """See ``Step.page``."""
        kind, _, target = after.partition("/")
        position = {"kind": kind, "target": UUID(target) if target else UUID(int=0), "limit": PAGE}
        async with self._database.transaction() as connection:
            rows = (await connection.execute(_TARGETS, position)).all()
        findings = [await self._finding(row, repair=repair) for row in await self._wrong(rows)]
        if len(rows) < PAGE:
            return Page(findings, None, 1.0)
        return Page(findings, f"{rows[-1].kind}/{rows[-1].target}", rows[-1].target.int / (1 << 128))

    async def _wrong(self, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
        values = {"kinds": [row.kind for row in rows], "targets": [row.target for row in rows]}
        async with self._database.transaction() as connection:
            return (await connection.execute(_WRONG, values)).all()

    async def _finding(self, row: Row[Any], *, repair: bool) -> Finding:
        about = {"kind": row.kind, "target": str(row.target), "owner": row.owner}
        if not row.superfluous:
            return Finding(WORK_OVERDUE, about)
        return Finding(WORK_SUPERFLUOUS, about, repair and await self._drop(row))

    async def _drop(self, row: Row[Any]) -> bool:
        async with self._database.transaction() as connection:
            await work.lock(connection, row.kind, row.target)
            dropped = await connection.execute(_DROP, {"kind": row.kind, "target": row.target})
        return dropped.rowcount == 1
