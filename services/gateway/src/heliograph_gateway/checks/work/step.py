"""The step over rows of work, in the order of their targets: work on images that want none, and work that the reconciler has
not looked after.

Work on a complete image is none of these: that is how it gets a new display size. Work whose command is lost is the
reconciler's (``messaging.reconcile``), minutes before it would be told here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from heliograph_common.db import work
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Row
from heliograph_gateway.checks.findings import WORK_OVERDUE, WORK_SUPERFLUOUS, Finding, Page
from heliograph_gateway.checks.objects import PAGE
from heliograph_gateway.checks.work import queries


class WorkRows:
    """See the module."""

    name = "work"
    weight = 4

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, after: str, *, repair: bool) -> Page:
        """See ``Step.page``."""
        kind, _, target = after.partition("/")
        async with self._database.transaction() as connection:
            rows = await queries.targets(connection, kind, UUID(target) if target else UUID(int=0), PAGE)
        findings = [await self._finding(row, repair=repair) for row in await self._wrong(rows)]
        if len(rows) < PAGE:
            return Page(findings, None, 1.0)
        return Page(findings, f"{rows[-1].kind}/{rows[-1].target}", rows[-1].target.int / (1 << 128))

    async def _wrong(self, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
        async with self._database.transaction() as connection:
            return await queries.wrong(connection, rows)

    async def _finding(self, row: Row[Any], *, repair: bool) -> Finding:
        about = {"kind": row.kind, "target": str(row.target), "owner": row.owner}
        if not row.superfluous:
            return Finding(WORK_OVERDUE, about)
        return Finding(WORK_SUPERFLUOUS, about, repair and await self._drop(row))

    async def _drop(self, row: Row[Any]) -> bool:
        async with self._database.transaction() as connection:
            await work.lock(connection, row.kind, row.target)
            return await queries.drop_superfluous(connection, row.kind, row.target)
