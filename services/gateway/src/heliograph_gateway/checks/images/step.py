"""The step over rows of images, in the order of their ids: complete ones that lack a display size, and unfinished ones that
nobody is going to finish.

A complete image must have every size that was there when its newest render began; sizes that came later are the business of
``POST /v1/settings/display-sizes/apply``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Row
from heliograph_common.messaging.transaction import Messenger
from heliograph_gateway.checks import rerender
from heliograph_gateway.checks.findings import SIZE_MISSING, WORK_MISSING, Finding, Page
from heliograph_gateway.checks.images import queries
from heliograph_gateway.checks.objects import PAGE

_FIRST = UUID(int=0)


class Images:
    """See the module."""

    name = "images"
    weight = 20

    def __init__(self, messenger: Messenger, database: Database) -> None:
        self._messenger = messenger
        self._database = database

    async def page(self, after: str, *, repair: bool) -> Page:
        """See ``Step.page``."""
        position = UUID(after) if after else _FIRST
        async with self._database.transaction() as connection:
            ids = await queries.ids(connection, position, PAGE)
            ends = await queries.ends(connection)
        candidates = {row.id for row in await self._wrong(ids)} if ids else set()
        # Each is looked at once more, by itself: many may have been finished while those before it were repaired.
        findings = [finding for image_id in sorted(candidates) for finding in await self._find(image_id, repair=repair)]
        if len(ids) < PAGE:
            return Page(findings, None, 1.0)
        return Page(findings, str(ids[-1]), _fraction(ids[-1], ends.first, ends.last))

    async def _wrong(self, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
        async with self._database.transaction() as connection:
            return await queries.wrong(connection, ids)

    async def _find(self, image_id: UUID, *, repair: bool) -> list[Finding]:
        rows = await self._wrong([image_id])
        repaired = bool(rows) and repair and await self._mend(image_id, rows[0])
        found = []
        for row in rows:
            about = {"image_id": str(image_id), "owner": row.owner, "status": row.status}
            if row.size is not None:
                about["name"] = row.size
            found.append(Finding(WORK_MISSING if row.size is None else SIZE_MISSING, about, repaired))
        return found

    async def _mend(self, image_id: UUID, row: Row[Any]) -> bool:
        own = row.size is None  # someone waits for an unfinished image, at its own priority
        return await rerender.missing(self._messenger, image_id, priority=None if own else Priority.LOW)


def _fraction(at: UUID, first: UUID, last: UUID) -> float:
    """Ids are times: how much of the time between the oldest and the newest image lies behind ``at``."""
    return (at.int - first.int) / max(1, last.int - first.int)
