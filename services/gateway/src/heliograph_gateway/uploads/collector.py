"""Collects uploads that nobody finished: rows past their time with their objects, and objects that no row knows.

``bootstrap`` runs it now and then with the tables of uploads that take more than one request (``db.upload_models``), for
all of which the same holds: the objects of an upload lie under ``keys.uploads(id)``, and an upload that has expired never
lives again. Several replicas at once do double work and no harm; an object that cannot be deleted holds up its own upload
only. What became an image is no business of this.

Objects without a row come from clients that still write when their upload is gone: a signed URL lets them, and a slow PUT
may end long after it began. Keys are in the order of ids, which are times, so a look for them ends where uploads are too
young to have any: it costs what was left behind, not what is in the making.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import Blobs
from heliograph_common.clock import Clock, utc_now
from heliograph_common.db.engine import Database
from heliograph_common.db.upload_models import UnfinishedUpload
from heliograph_common.errors import BlobUnreadable
from heliograph_common.ids import made_at
from heliograph_common.telemetry import metrics
from heliograph_gateway.uploads import queries
from heliograph_gateway.uploads.queries import Due

log = structlog.get_logger(__name__)

GRACE = timedelta(minutes=15)
"""Longer than a completion takes that began right before its upload expired."""
ORPHAN_AGE = timedelta(days=1)
"""Far longer than the clocks of the gateways, the database and the object store are apart."""
_BATCH = 100

_NONE: Due = (datetime.min.replace(tzinfo=UTC), UUID(int=0))


class UploadCollector:
    """``sources``: the tables whose rows it collects, and in which it looks for the row of an object."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        sources: Sequence[type[UnfinishedUpload]],
        *,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._sources = sources
        self._now = now

    async def collect_expired(self) -> int:
        """Removes all uploads that are past their time, whatever became of them; returns how many.

        Raises:
            DatabaseUnavailable, BlobsUnavailable: the rest is left for the next run.
        """
        removed = 0
        for source in self._sources:
            after = _NONE
            while due := await self._due(source, after):
                after = due[-1]
                # Objects first: whoever dies in between leaves a row that is found again.
                empty = [upload_id for _, upload_id in due if await self._emptied(upload_id)]
                removed += await self._forget(source, empty)
        if removed:
            log.info("expired uploads collected", uploads=removed)
        return removed

    async def collect_orphans(self) -> int:
        """Deletes objects of uploads that have no row, once they are older than ``ORPHAN_AGE``; returns how many.

        Raises:
            DatabaseUnavailable, BlobsUnavailable: the rest is left for the next run.
        """
        deleted = 0
        horizon = self._now() - ORPHAN_AGE
        found: list[tuple[UUID, str]] = []
        async for info in self._blobs.list(keys.UPLOADS):
            upload_id = keys.upload_of(info.key)
            if upload_id is None:  # not of our making
                continue
            if made_at(upload_id) > horizon:
                break
            if info.modified < horizon:
                found.append((upload_id, info.key))
            if len(found) == _BATCH:
                deleted += await self._delete_orphans(found)
                found = []
        deleted += await self._delete_orphans(found)
        if deleted:
            log.info("orphaned upload objects collected", objects=deleted)
        return deleted

    async def _due(self, source: type[UnfinishedUpload], after: Due) -> Sequence[Due]:
        """The next expired uploads behind ``after``: those that cannot be emptied must not come again in this run."""
        async with self._database.transaction() as connection:
            return await queries.expired(connection, source, before=self._now() - GRACE, after=after, limit=_BATCH)

    async def _emptied(self, upload_id: UUID) -> bool:
        """Deletes the objects of an upload; whether all could be."""
        try:
            objects = [info.key async for info in self._blobs.list(keys.uploads(upload_id))]
        except BlobUnreadable as error:
            log.warning("upload objects not listable", upload_id=str(upload_id), error=str(error))
            return False
        return await self._delete(objects) == len(objects)

    async def _forget(self, source: type[UnfinishedUpload], ids: Sequence[UUID]) -> int:
        async with self._database.transaction() as connection:
            return await queries.forget(connection, source, ids)

    async def _delete_orphans(self, found: Sequence[tuple[UUID, str]]) -> int:
        known: set[UUID] = set()
        async with self._database.transaction() as connection:
            for source in self._sources:
                known |= await queries.known(connection, source, {upload_id for upload_id, _ in found})
        orphans = [key for upload_id, key in found if upload_id not in known]
        return await self._delete(orphans)

    async def _delete(self, objects: Sequence[str]) -> int:
        """Deletes each that can be; returns how many."""
        deleted = 0
        for key in objects:
            try:
                await self._blobs.delete(key)
                deleted += 1
            except BlobUnreadable as error:
                log.warning("object deletion failed, retrying later", key=key, error=str(error))
                metrics.blob_delete_failures.inc()
        return deleted
