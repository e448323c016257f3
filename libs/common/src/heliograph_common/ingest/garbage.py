"""Deletes objects whose keys were given up (``incarnations``), outside of any lock and each by itself.

One that cannot be deleted is tried again later, less and less often, and holds up no other. Several at once do no harm: a
key that is here is never used again, so it does not matter how often or how late it is deleted. Services of the version
before do not know that; so whatever a row names all the same is spared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import Blobs
from heliograph_common.db.blob_models import BlobGarbage
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.errors import BlobsUnavailable, BlobUnreadable
from heliograph_common.ingest import incarnations
from heliograph_common.telemetry import metrics

log = structlog.get_logger(__name__)

_AT_ONCE = 16
_PAGE = 100
_LEASE = timedelta(minutes=10)
"""For how long others leave alone what one has begun to delete."""
_FIRST_DELAY = timedelta(minutes=1)
_LONGEST_DELAY = timedelta(days=1)


class Garbage:
    """What is to be deleted of one object store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def collect(self) -> int:
        """Deletes all that is due; returns how many objects that were. What fails is noted in its row.

        Raises:
            DatabaseUnavailable, BlobsUnavailable: the rest is left for the next run.
        """
        deleted = 0
        while batch := await self._claim():
            outcomes = await asyncio.gather(*(self._delete(key) for key in batch), return_exceptions=True)
            by_key = dict(zip(batch, outcomes, strict=True))
            deleted += sum(outcome for outcome in outcomes if isinstance(outcome, int))
            await self._note([key for key, outcome in by_key.items() if isinstance(outcome, int)], by_key)
            for outcome in outcomes:
                if isinstance(outcome, BaseException) and not isinstance(outcome, BlobUnreadable):
                    raise outcome
        return deleted

    async def _claim(self) -> Sequence[str]:
        """The next keys that are due and that no row names."""
        due = select(BlobGarbage.key).where(BlobGarbage.due_at <= func.now()).order_by(BlobGarbage.due_at)
        chosen = due.limit(_AT_ONCE).with_for_update(skip_locked=True).cte("chosen")
        leased = update(BlobGarbage).where(BlobGarbage.key == chosen.c.key).values(due_at=func.now() + _LEASE)
        while True:
            async with self._database.transaction() as connection:
                found = (await connection.execute(leased.returning(BlobGarbage.key))).scalars().all()
                named = await _named(connection, found)
                if named:
                    await connection.execute(delete(BlobGarbage).where(BlobGarbage.key.in_(named)))
            free = [key for key in found if key not in named]
            if free or not found:
                return free

    async def _delete(self, key: str) -> int:
        if key.endswith("/"):
            return await self._empty(key)
        await self._blobs.delete(key)
        return 1

    async def _empty(self, folder: str) -> int:
        """Deletes all of a folder's objects that were given up; those that can be, if not all can.

        Raises:
            BlobUnreadable: some cannot.
        """
        deleted = 0
        failures: list[BlobUnreadable] = []
        page: list[str] = []
        async for info in self._blobs.list(folder):
            page.append(info.key)
            if len(page) == _PAGE:
                deleted += await self._delete_page(page, failures)
                page = []
        deleted += await self._delete_page(page, failures)
        if failures:
            raise failures[0]
        return deleted

    async def _delete_page(self, page: Collection[str], failures: list[BlobUnreadable]) -> int:
        async with self._database.transaction() as connection:
            current = await incarnations.current_keys(connection, {keys.split(key)[0] for key in page})
            named = await _named(connection, page)
        deleted = 0
        for key in page:
            base, number = keys.split(key)
            if key in named or number >= keys.split(current[base])[1]:
                continue
            try:
                await self._blobs.delete(key)
                deleted += 1
            except BlobUnreadable as error:
                failures[1:] = [error]  # the first and the last tell enough
        return deleted

    async def _note(self, done: Collection[str], outcomes: dict[str, int | BaseException]) -> None:
        """Forgets what was deleted, notes what failed, and gives back what an outage kept from being tried."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(BlobGarbage).where(BlobGarbage.key.in_(done)))
            for key, outcome in outcomes.items():
                if isinstance(outcome, BlobUnreadable):
                    await self._note_failure(connection, key, outcome)
                elif isinstance(outcome, BlobsUnavailable):
                    given_back = update(BlobGarbage).where(BlobGarbage.key == key)
                    await connection.execute(given_back.values(due_at=func.now()))

    async def _note_failure(self, connection: AsyncConnection, key: str, error: BlobUnreadable) -> None:
        log.warning("object deletion failed, retrying later", key=key, error=str(error))
        metrics.blob_delete_failures.inc()
        doubled = _FIRST_DELAY * func.power(2, func.least(BlobGarbage.attempts, 20))
        values = {"attempts": BlobGarbage.attempts + 1, "error": str(error)}
        statement = update(BlobGarbage).where(BlobGarbage.key == key)
        await connection.execute(statement.values(**values, due_at=func.now() + func.least(doubled, _LONGEST_DELAY)))


async def _named(connection: AsyncConnection, given: Collection[str]) -> set[str]:
    """Those of the keys that a row names."""
    contents = {sha256 for key in given if (sha256 := keys.content_of(key)) is not None}
    if not contents:
        return set()
    originals = select(Image.sha256, Image.incarnation).where(Image.sha256.in_(contents)).distinct()
    named = {keys.original(row.sha256, row.incarnation) for row in await connection.execute(originals)}
    of_contents = select(Rendition.key).join(Image, Image.id == Rendition.image_id)
    renditions = of_contents.where(Image.sha256.in_(contents), Rendition.key.in_(given)).distinct()
    named.update((await connection.execute(renditions)).scalars())
    return named & set(given)
