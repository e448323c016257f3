"""What the steps over objects share: a page of a listing, and what becomes of objects that nothing names.

Rows and objects change while they are compared, so a difference between two pages is only a candidate. It is a finding when
it still is one after the rows were read again and the object was asked for again; a repair looks once more under the lock of
the content (``db.locks``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import BlobInfo, Blobs
from heliograph_common.clock import Clock, utc_now
from heliograph_common.db import locks
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Connection
from heliograph_common.errors import BlobUnreadable
from heliograph_common.ingest import incarnations
from heliograph_gateway.checks.findings import Finding, Kind

PAGE = 1000
"""Rows, and objects, of a page: as many as S3 lists in one answer."""
ORPHAN_AGE = timedelta(hours=1)
"""Objects are written before their rows: longer than that can take."""

_CONTENT = "[0-9a-f]{64}"
_OURS = re.compile(
    rf"(?:{keys.ORIGINALS}{_CONTENT}|{keys.RENDITIONS}{_CONTENT}/[^/]+/[^/]+?)(?:\.(?P<incarnation>[0-9]{{1,9}}))?"
)


@dataclass(frozen=True)
class ObjectKey:
    """A key of our making, the content that it is of, and its incarnation."""

    key: str
    sha256: str
    incarnation: int


def parse(key: str) -> ObjectKey | None:
    """The parts of a key; ``None`` for keys that are not of our making."""
    found = _OURS.fullmatch(key)
    if found is None:
        return None
    return ObjectKey(key, key.partition("/")[2][:64], int(found["incarnation"] or 0))


def fraction(after: str | None) -> float:
    """How far a walk by content is that stands at ``after``: hashes are spread evenly."""
    if after is None:
        return 1.0
    digits = re.match("[0-9a-f]*", after.partition("/")[2][:8])
    return int(digits[0].ljust(8, "0"), 16) / 16**8 if digits else 0.0


async def listed(blobs: Blobs, prefix: str, after: str) -> dict[str, BlobInfo]:
    """The next ``PAGE`` objects."""
    page: dict[str, BlobInfo] = {}
    async for info in blobs.list(prefix, start_after=after):
        page[info.key] = info
        if len(page) == PAGE:
            break
    return page


async def probe(blobs: Blobs, key: str) -> BlobInfo | None:
    """What the store says of an object; one that is there and that it fails on has no size that a row could have."""
    try:
        return await blobs.head(key)
    except BlobUnreadable:
        return BlobInfo(key=key, size=-1, etag="", modified=datetime.fromtimestamp(0, UTC))


@dataclass(frozen=True)
class Orphans:
    """Objects of one kind that nothing names. ``unnamed`` says which of some objects these are; ``grace``: how long one that
    was put aside is kept."""

    database: Database
    blobs: Blobs
    kind: Kind
    unnamed: Callable[[Connection, Sequence[ObjectKey]], Awaitable[set[str]]]
    grace: timedelta
    now: Clock = field(default=utc_now)

    async def find(self, candidates: Sequence[BlobInfo], *, repair: bool) -> list[Finding]:
        """Those of ``candidates`` that are; with ``repair`` they are put aside to be deleted."""
        oldest = self.now() - ORPHAN_AGE
        old = [parsed for info in candidates if info.modified < oldest and (parsed := parse(info.key)) is not None]
        findings = []
        for each in await self._unnamed(old):
            if await probe(self.blobs, each.key) is None:  # it was collected between the listing and the rows
                continue
            repaired = repair and await self._put_aside(each)
            findings.append(Finding(self.kind, {"key": each.key}, repaired))
        return findings

    async def _unnamed(self, objects: Sequence[ObjectKey]) -> list[ObjectKey]:
        if not objects:
            return []
        async with self.database.transaction() as connection:
            found = await self.unnamed(connection, objects)
        return [each for each in objects if each.key in found]

    async def _put_aside(self, one: ObjectKey) -> bool:
        """Has the object deleted after the grace period, and its key never used again: a late deletion must not hit a newer
        object."""
        async with self.database.transaction() as connection:
            await locks.own_keys(connection, one.sha256)
            if not await self.unnamed(connection, [one]):
                return False
            if one.key.startswith(keys.ORIGINALS):
                await incarnations.give_up_original(connection, one.sha256, one.incarnation)
            else:
                await incarnations.give_up_rendition(connection, one.key)
            await incarnations.postpone(connection, one.key, self.grace)
        return True
