"""Collects what deletion leaves behind: rows of deleted images after a grace period, and the objects that nothing uses.

The gateway runs it now and then; several at once do no harm. Objects are keyed by content, so the image of another owner,
or one uploaded at this very moment, may use the same:

1. A tombstone for the content is committed before anything of it is deleted.
2. Then, in one transaction that has the content's lock alone (``db.blob_locks``), the rows are looked at and the objects
   deleted. Whoever accepts the same bytes shares that lock while the row is written. Either the row comes first and is
   seen here; or it waits, then finds the tombstone, looks for the object and puts it again.

A collector that dies in the middle leaves the tombstone and the rows, so nothing is taken for there that is gone. What no
lock can hold: a process that is frozen for longer than ``idle_transaction`` right before it sends a deletion, with an
upload of the same bytes in that time. The reconciler's render then says that the original is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import Blobs
from heliograph_common.db import blob_locks
from heliograph_common.db.engine import Database
from heliograph_common.db.models import BlobTombstone, Image, Rendition, ReplacedRendition

log = structlog.get_logger(__name__)

_Result = TypeVar("_Result")

_LOCK = 0x434F4C4C
_BATCH = 100
_ALIVE = text("SELECT 1")
_ALIVE_EVERY = 3.0
_TOMBSTONES_STAY = timedelta(days=1)  # far longer than an upload can take between its object and its row


class Collector:
    """``grace``: how long a deleted image keeps its files, and a replaced rendition its object. It must be longer than a
    render takes and than signed URLs live."""

    def __init__(self, database: Database, blobs: Blobs, *, grace: timedelta) -> None:
        self._database = database
        self._blobs = blobs
        self._grace = grace

    async def run_once(self) -> int:
        """Collects all that is due; returns how many objects were deleted.

        Raises:
            DatabaseUnavailable, BlobsUnavailable: the rest is left for the next run.
        """
        deleted = 0
        while contents := await self._condemn():
            for sha256 in contents:
                deleted += await self._collect_content(sha256)
        deleted += await self._collect_replaced()
        async with self._database.transaction() as connection:
            old = BlobTombstone.made_at < func.now() - _TOMBSTONES_STAY
            await connection.execute(delete(BlobTombstone).where(old))
        if deleted:
            log.info("collected", objects=deleted)
        return deleted

    async def _condemn(self) -> list[str]:
        """Makes tombstones for the next contents; none when another collector is at it."""
        async with self._database.transaction() as connection:
            if not (await connection.execute(text("SELECT pg_try_advisory_xact_lock(:k)"), {"k": _LOCK})).scalar_one():
                return []
            due = (
                select(Image.sha256)
                .where(Image.deleted_at < func.now() - self._grace)
                .order_by(Image.deleted_at)
                .limit(_BATCH)
                .with_for_update(skip_locked=True)
            )
            contents = sorted(set((await connection.execute(due)).scalars()))
            if contents:
                statement = insert(BlobTombstone).values([{"sha256": sha256} for sha256 in contents])
                renewed = statement.on_conflict_do_update(index_elements=["sha256"], set_={"made_at": func.now()})
                await connection.execute(renewed)
            return contents

    async def _collect_content(self, sha256: str) -> int:
        """Deletes the rows that are due and, where no other is left, the objects; all or nothing."""
        async with self._database.transaction() as connection:
            await blob_locks.own(connection, sha256)
            due = (Image.sha256 == sha256, Image.deleted_at < func.now() - self._grace)
            if not (await connection.execute(delete(Image).where(*due))).rowcount:
                return 0
            if (await connection.execute(select(Image.id).where(Image.sha256 == sha256).limit(1))).first():
                return 0
            found = await _holding(connection, partial(self._objects, sha256))
            for key in found:
                await _holding(connection, partial(self._blobs.delete, key))
            await connection.execute(delete(ReplacedRendition).where(ReplacedRendition.sha256 == sha256))
        return len(found)

    async def _objects(self, sha256: str) -> list[str]:
        renditions = [info.key async for info in self._blobs.list(keys.renditions(sha256))]
        return [*renditions, keys.original(sha256)]

    async def _collect_replaced(self) -> int:
        """Deletes renditions that were replaced and that no row names."""
        deleted = 0
        after = ""
        due = ReplacedRendition.replaced_at < func.now() - self._grace
        while True:
            batch = select(ReplacedRendition.key, ReplacedRendition.sha256).where(due, ReplacedRendition.key > after)
            async with self._database.transaction() as connection:
                rows = (await connection.execute(batch.order_by(ReplacedRendition.key).limit(_BATCH))).all()
            if not rows:
                return deleted
            for row in rows:
                deleted += await self._collect_rendition(row.key, row.sha256)
            after = rows[-1].key

    async def _collect_rendition(self, key: str, sha256: str) -> int:
        async with self._database.transaction() as connection:
            await blob_locks.own(connection, sha256)
            # Whoever begins to render locks the row first: with the rows in hand nobody begins, and what was begun shows.
            of_content = select(Image.id, Image.processing_status).where(Image.sha256 == sha256).with_for_update()
            images = (await connection.execute(of_content)).all()
            if any(image.processing_status == "processing" for image in images):
                return 0
            names = select(Rendition.key).where(Rendition.image_id.in_([image.id for image in images]))
            used = key in set((await connection.execute(names)).scalars())
            if not used:
                await _holding(connection, partial(self._blobs.delete, key))
            await connection.execute(delete(ReplacedRendition).where(ReplacedRendition.key == key))
        return 0 if used else 1


async def _holding(connection: AsyncConnection, step: Callable[[], Awaitable[_Result]]) -> _Result:
    """Awaits ``step`` in an open transaction, which PostgreSQL would end for standing still. It is alive when this
    begins: no object is deleted without the lock.

    Raises:
        DatabaseUnavailable: the lock is lost.
    """
    await connection.execute(_ALIVE)
    task = asyncio.ensure_future(step())
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=_ALIVE_EVERY)
            if done:
                return task.result()
            await connection.execute(_ALIVE)
    finally:
        task.cancel()
