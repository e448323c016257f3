"""Collects what deletion leaves behind: rows of deleted images after a grace period, the objects that nothing uses, and
originals that were put and never became an image.

The gateway runs it now and then; several at once do no harm. Objects are keyed by content, so the image of another owner,
or one uploaded at this very moment, may use the same. So what is to go is decided first, content by content, in a
transaction that has the content's lock alone: the rows go, and the keys that no row names are given up for good
(``incarnations``). Whoever accepts the same bytes either came first and is seen here, or finds the key given up and uses
another. Only then are objects deleted (``garbage``), outside of any lock, and no matter how late that arrives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.blobs.port import Blobs
from heliograph_common.db import locks
from heliograph_common.db.blob_models import BlobIntent, BlobTombstone, ReplacedRendition
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.ingest import incarnations
from heliograph_common.ingest.garbage import Garbage

log = structlog.get_logger(__name__)

INTENTS_AFTER = timedelta(hours=1)
"""Far longer than an upload can take between its intent and its row."""
_BATCH = 100
_TOMBSTONES_STAY = timedelta(days=1)


class Collector:
    """``grace``: how long a deleted image keeps its files, and a replaced rendition its object. It must be longer than a
    render takes and than signed URLs live."""

    def __init__(
        self, database: Database, blobs: Blobs, *, grace: timedelta, intents_after: timedelta = INTENTS_AFTER
    ) -> None:
        self._database = database
        self._garbage = Garbage(database, blobs)
        self._grace = grace
        self._intents_after = intents_after

    async def run_once(self) -> int:
        """Collects all that is due; returns how many objects were deleted.

        Raises:
            DatabaseUnavailable, BlobsUnavailable: the rest is left for the next run.
        """
        due = select(Image.sha256).where(Image.deleted_at < func.now() - self._grace).order_by(Image.deleted_at)
        async for sha256 in self._contents(due):
            await self._collect_content(sha256)
        due = select(BlobIntent.sha256).where(BlobIntent.made_at < func.now() - self._intents_after)
        async for sha256 in self._contents(due.order_by(BlobIntent.made_at)):
            await self._collect_intents(sha256)
        await self._collect_replaced()
        async with self._database.transaction() as connection:
            old = BlobTombstone.made_at < func.now() - _TOMBSTONES_STAY
            await connection.execute(delete(BlobTombstone).where(old))
        deleted = await self._garbage.collect()
        if deleted:
            log.info("objects collected", objects=deleted)
        return deleted

    async def _contents(self, due: Select[Any]) -> AsyncIterator[str]:
        """The contents that ``due`` finds, until it finds none: each is done with when the next is asked for."""
        while True:
            async with self._database.transaction() as connection:
                contents = set((await connection.execute(due.limit(_BATCH))).scalars())
            if not contents:
                return
            for sha256 in sorted(contents):
                yield sha256

    async def _collect_content(self, sha256: str) -> None:
        """Deletes the rows that are due and gives up the keys that no other row names."""
        async with self._database.transaction() as connection:
            await locks.own_keys(connection, sha256)
            due = delete(Image).where(Image.sha256 == sha256, Image.deleted_at < func.now() - self._grace)
            gone = set((await connection.execute(due.returning(Image.incarnation))).scalars())
            await _give_up_originals(connection, sha256, gone)
            others = select(Image.id).where(Image.sha256 == sha256).limit(1)
            if gone and (await connection.execute(others)).first() is None:
                await incarnations.give_up_renditions(connection, sha256)
                await connection.execute(delete(ReplacedRendition).where(ReplacedRendition.sha256 == sha256))

    async def _collect_intents(self, sha256: str) -> None:
        """Gives up what was put, or was to be, and is named by no row."""
        async with self._database.transaction() as connection:
            await locks.own_keys(connection, sha256)
            old = BlobIntent.made_at < func.now() - self._intents_after
            due = delete(BlobIntent).where(BlobIntent.sha256 == sha256, old)
            gone = set((await connection.execute(due.returning(BlobIntent.incarnation))).scalars())
            await _give_up_originals(connection, sha256, gone)

    async def _collect_replaced(self) -> None:
        """Gives up the keys of renditions that were replaced and that no row names."""
        after = ""
        due = ReplacedRendition.replaced_at < func.now() - self._grace
        while True:
            batch = select(ReplacedRendition.key, ReplacedRendition.sha256).where(due, ReplacedRendition.key > after)
            async with self._database.transaction() as connection:
                rows = (await connection.execute(batch.order_by(ReplacedRendition.key).limit(_BATCH))).all()
            if not rows:
                return
            for row in rows:
                await self._collect_rendition(row.key, row.sha256)
            after = rows[-1].key

    async def _collect_rendition(self, key: str, sha256: str) -> None:
        async with self._database.transaction() as connection:
            await locks.own_keys(connection, sha256)
            of_content = select(Image.id).where(Image.sha256 == sha256)
            rendered = of_content.where(Image.processing_status == "processing").limit(1)
            if (await connection.execute(rendered)).first():
                return  # it may be what is rendered, which would have to be done again
            named = select(Rendition.key).where(Rendition.image_id.in_(of_content), Rendition.key == key).limit(1)
            if (await connection.execute(named)).first() is None:
                await incarnations.give_up_rendition(connection, key)
            await connection.execute(delete(ReplacedRendition).where(ReplacedRendition.key == key))


async def _give_up_originals(connection: AsyncConnection, sha256: str, numbers: Collection[int]) -> None:
    """Gives up those incarnations of an original that no row names."""
    if not numbers:
        return
    named = select(Image.incarnation).where(Image.sha256 == sha256).distinct()
    unused = set(numbers) - set((await connection.execute(named)).scalars())
    for number in sorted(unused):
        await incarnations.give_up_original(connection, sha256, number)
    if unused:  # after the key is given up: services of the version before, which know only this, look again then
        statement = insert(BlobTombstone).values(sha256=sha256)
        renewed = statement.on_conflict_do_update(index_elements=["sha256"], set_={"made_at": func.now()})
        await connection.execute(renewed)
