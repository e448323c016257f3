"""The step over renditions: their rows and objects under ``renditions/``, both in the order of the keys.

What is lost or damaged is rendered again, where its original is there: the row goes, the image becomes pending and ends
complete once more. Images of several owners with the same content share one object; each has its own finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import Blobs
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Row
from heliograph_common.messaging.transaction import Messenger
from heliograph_gateway.checks import rerender
from heliograph_gateway.checks.findings import (
    RENDITION_DAMAGED,
    RENDITION_MISSING,
    RENDITION_ORPHANED,
    Finding,
    Page,
)
from heliograph_gateway.checks.merge import join
from heliograph_gateway.checks.objects import PAGE, Orphans, fraction, listed, probe
from heliograph_gateway.checks.renditions import queries


class Renditions:
    """``grace``: how long an orphan that was found is kept before it is deleted."""

    name = "renditions"
    weight = 55

    def __init__(self, messenger: Messenger, database: Database, blobs: Blobs, *, grace: timedelta) -> None:
        self._messenger = messenger
        self._database = database
        self._blobs = blobs
        self._orphans = Orphans(database, blobs, RENDITION_ORPHANED, queries.unnamed, grace)

    async def page(self, after: str, *, repair: bool) -> Page:
        """See ``Step.page``."""
        objects = await listed(self._blobs, keys.RENDITIONS, after)
        rows = await self._rows(after)
        joined = join(objects, rows, left_full=len(objects) == PAGE, right_full=len(rows) == PAGE)
        suspects = [*joined.only_right]
        suspects += [key for key, (info, sizes) in joined.both.items() if info.size not in sizes]
        findings = await self._broken(suspects, repair=repair)
        findings += await self._orphans.find(list(joined.only_left.values()), repair=repair)
        return Page(findings, joined.after, fraction(joined.after))

    async def _rows(self, after: str) -> dict[str, list[int]]:
        async with self._database.transaction() as connection:
            return await queries.sizes(connection, after, PAGE)

    async def _broken(self, suspects: Sequence[str], *, repair: bool) -> list[Finding]:
        findings: dict[UUID, list[tuple[Row[Any], Finding]]] = defaultdict(list)
        for key in sorted(suspects):
            for row, finding in await self._look_again(key):
                findings[row.image_id].append((row, finding))
        told = []
        for image_id, found in findings.items():
            repaired = repair and await self._rerender(image_id, [row for row, _ in found])
            told += [Finding(finding.kind, finding.about, repaired) for _, finding in found]
        return told

    async def _look_again(self, key: str) -> list[tuple[Row[Any], Finding]]:
        info = await probe(self._blobs, key)
        async with self._database.transaction() as connection:
            rows = await queries.live_renditions(connection, key, PAGE)
        if not rows or (info is not None and info.size in {row.bytes for row in rows}):
            return []
        if info is None and await probe(self._blobs, key) is not None:  # rendered again between the two looks
            return []
        kind = RENDITION_MISSING if info is None else RENDITION_DAMAGED
        return [
            (row, Finding(kind, {"image_id": str(row.image_id), "owner": row.owner, "name": row.name, "key": key}))
            for row in rows
        ]

    async def _rerender(self, image_id: UUID, rows: Sequence[Row[Any]]) -> bool:
        original = await probe(self._blobs, rows[0].original)
        if original is None or original.size < 0:  # a render would only fail, and the image with it
            return False
        return await rerender.without(self._messenger, image_id, {row.name: row.key for row in rows})
