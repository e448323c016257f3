"""What nobody finished is collected, row and object; what anyone may still finish is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import insert
from tests.integration.gateway.support import running
from tests.integration.gateway.uploads.direct.support import age, announce, complete, objects, rows, send, sent

from heliograph_common.blobs import keys
from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.blobs.port import BlobInfo, Blobs
from heliograph_common.bus.connection import Bus
from heliograph_common.clock import utc_now
from heliograph_common.db.engine import Database
from heliograph_common.db.upload_models import DirectUpload, TusPart, TusUpload
from heliograph_common.errors import BlobsUnavailable
from heliograph_common.ids import new_id
from heliograph_common.testing.blobs import MemoryBlobs
from heliograph_gateway.settings import GatewaySettings
from heliograph_gateway.uploads.collector import GRACE, ORPHAN_AGE, UploadCollector

Picture = Callable[..., bytes]
SOURCES = (DirectUpload, TusUpload)


def collector(db: Database, blobs: Blobs, *, ahead: timedelta = timedelta()) -> UploadCollector:
    """One whose clock is ``ahead``."""
    return UploadCollector(db, blobs, SOURCES, now=lambda: utc_now() + ahead)


async def begin(db: Database, *, expires_in: timedelta, table: Any = DirectUpload, count: int = 1) -> list[UUID]:
    """Rows of uploads, without objects."""
    values = {"owner": "ann", "name": "a", "priority": "normal", "expires_at": utc_now() + expires_in}
    values |= {"bytes": 1} if table is DirectUpload else {"metadata": "", "length": 9}
    ids = [new_id() for _ in range(count)]
    async with db.transaction() as connection:
        await connection.execute(insert(table.__table__), [{**values, "id": upload_id} for upload_id in ids])
    return ids


async def test_expired_uploads_go_with_their_objects(
    ann: httpx2.AsyncClient, db: Database, blobs: MinioBlobs, picture: Picture
) -> None:
    fresh, old, unsent, late = [
        await sent(ann, picture(seed=seed)) if seed != 2 else await announce(ann, picture(seed=seed))
        for seed in range(4)
    ]
    done = await sent(ann, picture(seed=9))
    image = (await complete(ann, done)).json()
    for each in (old, unsent, done):
        await age(db, each, hours=1)
    await age(db, late, minutes=1)  # whoever began to complete it in time may be at it
    assert await collector(db, blobs).collect_expired() == 3

    assert await objects(blobs) == sorted(f"uploads/{each['id']}/file" for each in (fresh, late))
    assert await rows(db, DirectUpload) == 2
    assert (await ann.get(f"/v1/images/{image['id']}")).status_code == 200
    assert (await blobs.head(f"originals/{image['sha256']}")) is not None
    assert await collector(db, blobs).collect_expired() == 0
    assert (await complete(ann, fresh)).status_code == 201


async def test_resumable_uploads_are_collected_too(db: Database, blobs: MinioBlobs) -> None:
    [old] = await begin(db, expires_in=-timedelta(hours=1), table=TusUpload)
    [new] = await begin(db, expires_in=timedelta(hours=1), table=TusUpload)
    async with db.transaction() as connection:
        for upload_id in (old, new):
            for position, name in ((0, "0"), (5, "5")):
                key = keys.upload(upload_id, name)
                await blobs.put(key, b"12345", content_type="application/octet-stream")
                part = {"upload_id": upload_id, "position": position, "bytes": 5, "key": key}
                await connection.execute(insert(TusPart).values(part))

    assert await collector(db, blobs).collect_expired() == 1
    assert await objects(blobs) == [keys.upload(new, "0"), keys.upload(new, "5")]
    assert (await rows(db, TusUpload), await rows(db, TusPart)) == (1, 2)
    assert await collector(db, blobs, ahead=2 * ORPHAN_AGE).collect_orphans() == 0


async def test_what_is_sent_after_the_upload_is_gone(
    ann: httpx2.AsyncClient, db: Database, blobs: MinioBlobs, picture: Picture
) -> None:
    made, alive = await sent(ann, picture()), await sent(ann, picture(seed=1))
    await age(db, made, hours=1)
    await collector(db, blobs).collect_expired()
    await send(made, picture())  # the address lives for an hour
    assert len(await objects(blobs)) == 2

    assert await collector(db, blobs).collect_orphans() == 0  # it may be an upload whose row was made this very moment
    assert await collector(db, blobs, ahead=ORPHAN_AGE - timedelta(minutes=5)).collect_orphans() == 0
    assert await collector(db, blobs, ahead=ORPHAN_AGE + timedelta(minutes=5)).collect_orphans() == 1
    assert await objects(blobs) == [f"uploads/{alive['id']}/file"]


async def test_an_old_upload_whose_file_is_new(db: Database) -> None:
    """The id may be old when a slow PUT ends."""
    store = MemoryBlobs(now=lambda: utc_now() + 2 * ORPHAN_AGE)
    await store.put(keys.upload(new_id(), "file"), b"x", content_type="text/plain")

    assert await collector(db, store, ahead=2 * ORPHAN_AGE).collect_orphans() == 0
    assert await collector(db, store, ahead=4 * ORPHAN_AGE).collect_orphans() == 1


class CountingBlobs(MemoryBlobs):
    """Counts what of a listing was read."""

    listed = 0

    async def list(self, prefix: str, *, start_after: str = "") -> AsyncIterator[BlobInfo]:
        """Lists and counts."""
        async for info in super().list(prefix, start_after=start_after):
            self.listed += 1
            yield info


async def test_uploads_of_today_are_not_looked_at(db: Database) -> None:
    store = CountingBlobs()
    for _ in range(20):
        await store.put(keys.upload(new_id(), "file"), b"x", content_type="text/plain")

    assert await collector(db, store).collect_orphans() == 0
    assert store.listed == 1


async def test_hundreds_by_several_replicas_at_once(db: Database) -> None:
    store = MemoryBlobs()
    due = await begin(db, expires_in=-2 * GRACE, count=230)
    alive = await begin(db, expires_in=timedelta(days=9), count=20)
    orphans = [new_id() for _ in range(230)]
    for upload_id in (*due, *alive, *orphans):
        await store.put(keys.upload(upload_id, "file"), b"x", content_type="text/plain")
    for foreign in ("uploads/read.me", "uploads/x/file"):
        await store.put(foreign, b"x", content_type="text/plain")
    replicas = [collector(db, store, ahead=2 * ORPHAN_AGE) for _ in range(3)]

    await asyncio.gather(*(each.collect_expired() for each in replicas))
    assert await rows(db, DirectUpload) == 20
    assert len([info async for info in store.list(keys.UPLOADS)]) == 20 + 230 + 2
    await asyncio.gather(*(each.collect_orphans() for each in replicas))
    left = {info.key async for info in store.list(keys.UPLOADS)}
    assert left == {"uploads/read.me", "uploads/x/file", *(keys.upload(upload_id, "file") for upload_id in alive)}


async def test_an_outage_leaves_the_row_for_the_next_run(db: Database) -> None:
    store = MemoryBlobs()
    [upload_id] = await begin(db, expires_in=-2 * GRACE)
    await store.put(keys.upload(upload_id, "file"), b"x", content_type="text/plain")
    store.down = True
    with pytest.raises(BlobsUnavailable):
        await collector(db, store).collect_expired()
    store.down = False

    assert await rows(db, DirectUpload) == 1
    assert await collector(db, store).collect_expired() == 1


async def test_uploads_whose_objects_cannot_be_deleted_hold_up_no_others(db: Database) -> None:
    store = MemoryBlobs()
    due = await begin(db, expires_in=-2 * GRACE, count=230)
    orphans = [new_id() for _ in range(5)]
    for upload_id in (*due, *orphans):
        await store.put(keys.upload(upload_id, "file"), b"x", content_type="text/plain")
    broken = {*due[:110], orphans[0]}  # more than are taken at a time
    store.broken = {keys.upload(upload_id, "file") for upload_id in broken}

    assert await collector(db, store).collect_expired() == 120
    assert await collector(db, store, ahead=2 * ORPHAN_AGE).collect_orphans() == 4
    assert {info.key async for info in store.list(keys.UPLOADS)} == store.broken
    assert await rows(db, DirectUpload) == 110  # for the next run
    store.broken = set()
    assert await collector(db, store).collect_expired() == 110


async def test_gateways_collect_by_themselves(
    gateway_settings: GatewaySettings, bus: Bus, db: Database, blobs: MinioBlobs, picture: Picture
) -> None:
    own = gateway_settings.gateway.model_copy(update={"collect_seconds": 0.1})
    async with running(gateway_settings.model_copy(update={"gateway": own})) as gateway, gateway.client() as ann:
        await age(db, await sent(ann, picture()), hours=1)
        async with asyncio.timeout(30):
            while await rows(db, DirectUpload):
                await asyncio.sleep(0.05)

    assert await objects(blobs) == []
