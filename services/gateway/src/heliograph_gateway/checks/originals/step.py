"""The step over originals: rows of images and objects under ``originals/``, both in the order of the keys.

Rows of deleted images count too until they are collected. Nothing can bring a lost original back, so that is only told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import Blobs
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Row
from heliograph_gateway.checks.findings import (
    ORIGINAL_DAMAGED,
    ORIGINAL_MISSING,
    ORIGINAL_ORPHANED,
    Finding,
    Page,
)
from heliograph_gateway.checks.merge import join
from heliograph_gateway.checks.objects import PAGE, Orphans, fraction, listed, probe
from heliograph_gateway.checks.originals import queries

_HEXADECIMAL = re.compile("[0-9a-f]{0,64}")


class Originals:
    """``grace``: how long an orphan that was found is kept before it is deleted."""

    name = "originals"
    weight = 20

    def __init__(self, database: Database, blobs: Blobs, *, grace: timedelta) -> None:
        self._database = database
        self._blobs = blobs
        self._orphans = Orphans(database, blobs, ORIGINAL_ORPHANED, queries.unnamed, grace)

    async def page(self, after: str, *, repair: bool) -> Page:
        """See ``Step.page``."""
        objects = await listed(self._blobs, keys.ORIGINALS, after)
        rows = await self._rows(after)
        joined = join(objects, rows, left_full=len(objects) == PAGE, right_full=len(rows) == PAGE)
        suspects = [*joined.only_right]
        suspects += [key for key, (info, sizes) in joined.both.items() if sizes != [info.size]]
        findings = [finding for key in suspects for finding in await self._look_again(key)]
        findings += await self._orphans.find(list(joined.only_left.values()), repair=repair)
        return Page(findings, joined.after, fraction(joined.after))

    async def _rows(self, after: str) -> dict[str, list[int]]:
        """The sizes in bytes that the images of the next keys have."""
        found = _HEXADECIMAL.match(after.removeprefix(keys.ORIGINALS))
        async with self._database.transaction() as connection:
            return await queries.sizes(connection, found[0] if found else "", after, PAGE)

    async def _look_again(self, key: str) -> list[Finding]:
        """One finding for each image of the key, where its object is not as the image has it."""
        info = await probe(self._blobs, key)
        images = await self._live(key)
        wrong = [image for image in images if info is None or image.bytes != info.size]
        if not wrong or (info is None and await probe(self._blobs, key) is not None):
            return []  # the image came, or went, between the two pages
        kind = ORIGINAL_MISSING if info is None else ORIGINAL_DAMAGED
        return [
            Finding(
                kind,
                {"image_id": str(image.id), "owner": image.owner, "status": image.processing_status, "key": key},
            )
            for image in wrong
        ]

    async def _live(self, key: str) -> Sequence[Row[Any]]:
        async with self._database.transaction() as connection:
            return await queries.live_images(connection, key.removeprefix(keys.ORIGINALS)[:64], key, PAGE)
