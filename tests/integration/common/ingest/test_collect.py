"""What nothing uses is collected; what anyone uses, or is about to use, never is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, BinaryIO
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import func, insert, select, update
from tests.corpus.pictures import png
from tests.polling import until
from tests.ports.s3_proxy import proxied

from heliograph_common.blobs import keys
from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.clock import utc_now
from heliograph_common.db.blob_models import BlobGarbage, BlobIntent, BlobTombstone, ReplacedRendition
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.errors import BlobsUnavailable
from heliograph_common.ids import new_id
from heliograph_common.ingest.accept import Accepted, Ingest
from heliograph_common.ingest.collect import INTENTS_AFTER, Collector
from heliograph_common.ingest.incarnations import current_keys, keep
from heliograph_common.ingest.spool import limits_of, spool
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.settings import LimitSettings, S3Settings
from heliograph_common.testing.blobs import MemoryBlobs
from heliograph_common.testing.relay import NoRelay
from heliograph_local.testing import Bucket

_GRACE = timedelta(days=7)


class SlowBlobs(MemoryBlobs):
    """Every write takes a while; ``after_put`` and ``in_delete`` are awaited once each, where set."""

    def __init__(self) -> None:
        super().__init__()
        self.after_put: Callable[[], Awaitable[Any]] | None = None
        self.in_delete: Callable[[], Awaitable[Any]] | None = None
        self.puts = 0

    async def put(self, key: str, source: bytes | BinaryIO, *, length: int | None = None, content_type: str) -> None:
        """Writes and dawdles."""
        await asyncio.sleep(random.uniform(0, 0.01))  # a store takes a while, never the same
        await super().put(key, source, length=length, content_type=content_type)
        self.puts += 1
        hook, self.after_put = self.after_put, None
        if hook is not None:
            await hook()
        await asyncio.sleep(random.uniform(0, 0.01))  # a store takes a while, never the same

    async def delete(self, key: str) -> None:
        """Dawdles and deletes."""
        hook, self.in_delete = self.in_delete, None
        if hook is not None:
            await hook()
        await asyncio.sleep(random.uniform(0, 0.01))  # a store takes a while, never the same
        await super().delete(key)


class Storage:
    """Ingest and collector over one database and one object store."""

    def __init__(self, database: Database, blobs: Any = None) -> None:
        self.database = database
        self.blobs = blobs or SlowBlobs()
        self.ingest = Ingest(database, Messenger(database, NoRelay()), self.blobs, waiting_before_low=100)
        self.collector = Collector(database, self.blobs, grace=_GRACE)

    async def accept(self, owner: str, seed: int = 0, **more: Any) -> Accepted:
        async def body() -> AsyncIterator[bytes]:
            yield png(seed=seed)

        async with spool(body(), limits_of(LimitSettings())) as spooled:
            return await self.ingest.accept(spooled, owner=owner, name="a.png", source="upload", **more)

    async def delete(self, image_id: UUID, *, age: timedelta = _GRACE * 2) -> None:
        await self.change(image_id, deleted_at=func.now() - age)

    async def change(self, image_id: UUID, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(update(Image).where(Image.id == image_id).values(values))

    async def render(self, image: Any, name: str, key_name: str) -> str:
        key = f"{keys.renditions(image.sha256)}1/{key_name}"
        await self.blobs.put(key, b"pixels", content_type="image/jpeg")
        values = {"image_id": image.id, "name": name, "kind": "thumbnail", "width": 3, "height": 2, "format": "jpeg"}
        async with self.database.transaction() as connection:
            await connection.execute(insert(Rendition).values(**values, bytes=6, key=key))
        return key

    async def place(self, image: Any, key_name: str) -> str:
        """The name of a rendition's key in the incarnation that may be used."""
        base = keys.rendition(image.sha256, "1", key_name)
        async with self.database.transaction() as connection:
            return (await current_keys(connection, [base]))[base].rpartition("/")[2]

    async def rename(self, image: Any, name: str, key_name: str) -> str:
        """Gives a rendition another key, as a changed size does."""
        key = keys.rendition(image.sha256, "1", key_name)
        await self.blobs.put(key, b"others", content_type="image/jpeg")
        which = (Rendition.image_id == image.id, Rendition.name == name)
        async with self.database.transaction() as connection:
            await connection.execute(update(Rendition).where(*which).values(key=key))
        return key

    async def age_replaced(self) -> None:
        async with self.database.transaction() as connection:
            aged = func.now() - _GRACE * 2
            await connection.execute(update(ReplacedRendition).values(replaced_at=aged))

    async def garbage_is_due(self) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(update(BlobGarbage).values(due_at=func.now()))

    async def intents(self) -> int:
        async with self.database.transaction() as connection:
            return int((await connection.execute(select(func.count()).select_from(BlobIntent))).scalar_one())

    async def age_intents(self) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(update(BlobIntent).values(made_at=func.now() - 2 * INTENTS_AFTER))

    async def rows(self) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(select(Image.__table__))).all())

    async def stored(self) -> set[str]:
        return {info.key async for info in self.blobs.list("")}

    async def missing(self) -> list[str]:
        """Originals that a row names and that are not there."""
        stored = await self.stored()
        return [row.sha256 for row in await self.rows() if original(row) not in stored]


def original(row: Any) -> str:
    """The key of an image's original."""
    return keys.original(row.sha256, row.incarnation)


@pytest.fixture
def storage(db: Database) -> Storage:
    """One of them."""
    return Storage(db)


async def test_a_deleted_image_goes_after_its_grace_with_all_its_files(storage: Storage) -> None:
    gone, young, live = [(await storage.accept("ann", seed)).row for seed in range(3)]
    for image in (gone, young, live):
        await storage.render(image, "small", "small-1.jpg")
    await storage.delete(gone.id)
    await storage.delete(young.id, age=_GRACE / 2)

    assert await storage.collector.run_once() == 2
    assert {row.id for row in await storage.rows()} == {young.id, live.id}
    assert await storage.stored() == {
        key for image in (young, live)
        for key in (keys.original(image.sha256), keys.rendition(image.sha256, "1", "small-1.jpg"))
    }  # fmt: skip
    assert await storage.collector.run_once() == 0


@pytest.mark.parametrize("deleted_lately", [False, True])
async def test_files_that_another_owner_uses_stay(storage: Storage, deleted_lately: bool) -> None:
    anns, bobs = (await storage.accept("ann")).row, (await storage.accept("bob")).row
    await storage.delete(anns.id)
    if deleted_lately:
        await storage.delete(bobs.id, age=_GRACE / 2)

    assert await storage.collector.run_once() == 0
    assert [row.id for row in await storage.rows()] == [bobs.id]
    assert await storage.missing() == []


async def test_more_than_a_batch(storage: Storage) -> None:
    images = [(await storage.accept(f"owner-{n}", seed=n % 40)).row for n in range(130)]
    for image in images:
        await storage.delete(image.id)

    assert sum(await asyncio.gather(*(storage.collector.run_once() for _ in range(3)))) == 40
    assert await storage.collector.run_once() == 0
    assert (await storage.rows(), await storage.stored()) == ([], set())


async def test_an_outage_leaves_it_for_later(storage: Storage) -> None:
    image = (await storage.accept("ann")).row
    await storage.delete(image.id)
    storage.blobs.down = True
    with pytest.raises(BlobsUnavailable):
        await storage.collector.run_once()
    storage.blobs.down = False

    assert await storage.rows() == []  # decided, but not done
    assert original(image) in await storage.stored()
    assert await storage.collector.run_once() == 1
    assert await storage.stored() == set()


async def test_objects_that_cannot_be_deleted_hold_up_no_others(storage: Storage, db: Database) -> None:
    images = [(await storage.accept("ann", seed)).row for seed in range(20)]
    rendered = await storage.render(images[0], "small", "small-1.jpg")
    for image in images:
        await storage.delete(image.id)
    storage.blobs.broken = {original(images[3]), rendered}
    assert await storage.collector.run_once() == 19

    assert await storage.stored() == storage.blobs.broken
    async with db.transaction() as connection:
        left = (await connection.execute(select(BlobGarbage.__table__))).all()
    assert {row.key for row in left} == {original(images[3]), keys.renditions(images[0].sha256)}
    assert {row.attempts for row in left} == {1}
    assert all("the test says so" in row.error and row.due_at > utc_now() for row in left)

    storage.blobs.broken = set()
    assert await storage.collector.run_once() == 0  # not at once
    await storage.garbage_is_due()
    assert await storage.collector.run_once() == 2
    assert await storage.stored() == set()


# -- against uploads ---------------------------------------------------------------------------------------------------


async def test_bytes_put_before_the_collection_and_named_after_it(storage: Storage) -> None:
    await storage.delete((await storage.accept("ann")).row.id)
    storage.blobs.after_put = storage.collector.run_once
    accepted = await storage.accept("bob")

    assert accepted.created
    assert storage.blobs.puts == 3  # ann's, bob's, and bob's again
    assert await storage.missing() == []


async def test_bytes_named_while_the_collector_deletes(storage: Storage) -> None:
    await storage.delete((await storage.accept("ann")).row.id)

    async def upload_meanwhile() -> None:
        assert (await storage.accept("bob")).created  # it waits for nothing

    storage.blobs.in_delete = upload_meanwhile
    await storage.collector.run_once()

    assert storage.blobs.in_delete is None
    assert await storage.missing() == []
    assert [row.incarnation for row in await storage.rows()] == [1]


async def test_a_collector_that_died_after_deleting(storage: Storage) -> None:
    image = (await storage.accept("ann")).row
    await storage.delete(image.id)

    async def die() -> None:
        await storage.blobs.delete(original(image))
        raise BlobsUnavailable("the test says so")

    async def collect() -> None:
        storage.blobs.in_delete = die
        with pytest.raises(BlobsUnavailable):
            await storage.collector.run_once()

    storage.blobs.after_put = collect
    await storage.accept("bob")

    assert await storage.missing() == []


async def test_a_deletion_that_arrives_after_the_next_upload(db: Database, bucket: Bucket) -> None:
    """Its task was cancelled, its thread was not."""
    settings = S3Settings(
        access_key=bucket.access_key,
        secret_key=SecretStr(bucket.secret_key),
        bucket=bucket.bucket,
        endpoint=bucket.endpoint,
    )
    async with proxied(bucket.endpoint) as proxy:
        slow = MinioBlobs(settings.model_copy(update={"endpoint": proxy.endpoint}))
        storage = Storage(db, MinioBlobs(settings))
        await storage.delete((await storage.accept("ann")).row.id)
        proxy.held = frozenset({"DELETE"})
        collecting = asyncio.create_task(Collector(db, slow, grace=_GRACE).run_once())
        async with asyncio.timeout(60):
            await proxy.holding.wait()
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
        accepted = await storage.accept("bob")
        proxy.hold.set()
        async with asyncio.timeout(60):
            await proxy.passed.wait()

        assert accepted.created
        assert await storage.missing() == []
        await storage.blobs.close()
        await slow.close()


async def test_the_same_bytes_again_and_again(storage: Storage) -> None:
    seen = []
    for _ in range(4):
        image = (await storage.accept("ann")).row
        rendered = await storage.render(image, "small", await storage.place(image, "small-1.jpg"))
        await storage.delete(image.id)
        await storage.collector.run_once()
        assert await storage.stored() == set()
        seen += [original(image), rendered]
    assert len(set(seen)) == len(seen)


async def test_originals_whose_row_was_never_written_are_collected(storage: Storage) -> None:
    class Aborted(Exception):
        pass

    async def abort(*_: object) -> None:
        raise Aborted

    for seed in range(5):
        with pytest.raises(Aborted):
            await storage.accept("ann", seed, settle=abort)
    uploading = asyncio.create_task(storage.accept("ann", 9))  # a gateway that dies between its PUT and its row
    storage.blobs.after_put = asyncio.Event().wait
    await until(lambda: storage.blobs.after_put is None, 30)
    uploading.cancel()
    await asyncio.gather(uploading, return_exceptions=True)
    kept = (await storage.accept("bob", 0)).row

    assert (await storage.intents(), len(await storage.stored())) == (6, 6)
    assert await storage.collector.run_once() == 0
    await storage.age_intents()
    assert await storage.collector.run_once() == 5
    assert (await storage.intents(), await storage.stored()) == (0, {original(kept)})
    assert (await storage.accept("ann", 3)).row.incarnation == 1
    assert await storage.missing() == []


async def test_an_upload_that_takes_longer_than_its_intent_lives(storage: Storage) -> None:
    async def collect() -> None:
        await storage.age_intents()
        await storage.collector.run_once()

    storage.blobs.after_put = collect
    image = (await storage.accept("ann")).row

    assert (image.incarnation, storage.blobs.puts) == (1, 2)
    assert await storage.missing() == []
    await storage.age_intents()  # what was put first may have come after its deletion, so it is still looked for
    await storage.collector.run_once()
    assert (await storage.intents(), await storage.stored()) == (0, {original(image)})


# -- beside services of the version before -----------------------------------------------------------------------------


async def test_a_tombstone_of_the_version_before_retires_the_key(storage: Storage, db: Database) -> None:
    anns = (await storage.accept("ann")).row
    async with db.transaction() as connection:
        await connection.execute(insert(BlobTombstone).values(sha256=anns.sha256))
    bobs = (await storage.accept("bob")).row

    assert (anns.incarnation, bobs.incarnation) == (0, 1)
    assert await storage.missing() == []
    await storage.delete(anns.id)
    await storage.collector.run_once()
    assert await storage.stored() == {original(bobs)}
    await storage.delete(bobs.id)
    await storage.collector.run_once()
    assert (await storage.accept("ann")).row.incarnation == 2


async def test_what_a_service_of_the_version_before_names_meanwhile_is_spared(storage: Storage, db: Database) -> None:
    image = (await storage.accept("ann")).row
    await storage.delete(image.id)
    storage.blobs.down = True
    with pytest.raises(BlobsUnavailable):
        await storage.collector.run_once()
    storage.blobs.down = False
    async with db.transaction() as connection:  # it put the object before, and found it still there
        tombstones = (await connection.execute(select(BlobTombstone.sha256))).scalars().all()
        values = {**image._mapping, "id": new_id(), "owner": "bob", "deleted_at": None}
        await connection.execute(insert(Image).values(values))

    assert tombstones == [image.sha256]  # or it would not have looked
    await storage.collector.run_once()
    assert await storage.missing() == []
    async with db.transaction() as connection:
        assert (await connection.execute(select(BlobGarbage.key))).first() is None


async def test_uploads_deletions_and_collections_at_once(storage: Storage) -> None:
    """Whatever the interleaving: a row's original is there, and what no row names is not."""
    chance = random.Random(4)

    async def owner(name: str) -> None:
        for _ in range(12):
            image = (await storage.accept(name, seed=chance.randrange(2))).row
            if chance.random() < 0.7:
                await storage.delete(image.id)

    eager = Collector(storage.database, storage.blobs, grace=_GRACE, intents_after=timedelta(0))

    async def collector() -> None:
        for _ in range(25):
            await eager.run_once()
            assert await _missing_of_live(storage) == []
            await asyncio.sleep(0.01)  # others have their turn

    await asyncio.gather(*(owner(f"owner-{n}") for n in range(4)), collector(), collector())
    await eager.run_once()

    assert await storage.missing() == []
    assert await storage.stored() == {original(row) for row in await storage.rows()}


async def _missing_of_live(storage: Storage) -> list[str]:
    """Rows first, objects after: a row is seen only when its object is there, and a live one's must stay."""
    live = [row for row in await storage.rows() if row.deleted_at is None]
    stored = await storage.stored()
    gone = [row for row in live if original(row) not in stored]
    still = {row.id for row in await storage.rows() if row.deleted_at is None}
    return [row.sha256 for row in gone if row.id in still]


async def test_tombstones_are_forgotten_after_a_day(storage: Storage, db: Database) -> None:
    for seed in range(2):
        await storage.delete((await storage.accept("ann", seed)).row.id)
    await storage.collector.run_once()
    async with db.transaction() as connection:
        one = (await connection.execute(select(BlobTombstone.sha256).limit(1))).scalar_one()
        old = update(BlobTombstone).where(BlobTombstone.sha256 == one)
        await connection.execute(old.values(made_at=func.now() - timedelta(days=2)))
    await storage.collector.run_once()
    async with db.transaction() as connection:
        left = list((await connection.execute(select(BlobTombstone.sha256))).scalars())

    assert len(left) == 1
    assert left != [one]


# -- replaced renditions -----------------------------------------------------------------------------------------------


async def test_a_replaced_rendition_goes_after_the_grace(storage: Storage) -> None:
    image = (await storage.accept("ann")).row
    await storage.change(image.id, processing_status="complete")
    old = await storage.render(image, "small", "small-1.jpg")
    new = await storage.rename(image, "small", "small-2.jpg")

    assert await storage.collector.run_once() == 0
    assert old in await storage.stored()
    await storage.age_replaced()
    assert await storage.collector.run_once() == 1
    assert await storage.stored() == {new, keys.original(image.sha256)}


async def test_a_replaced_rendition_that_another_image_names_stays(storage: Storage) -> None:
    anns, bobs = (await storage.accept("ann")).row, (await storage.accept("bob")).row
    old = await storage.render(anns, "small", "small-1.jpg")
    await storage.render(bobs, "small", "small-1.jpg")
    await storage.rename(anns, "small", "small-2.jpg")
    await storage.age_replaced()

    assert await storage.collector.run_once() == 0
    assert old in await storage.stored()


async def test_nothing_goes_while_it_is_rendered(storage: Storage) -> None:
    image = (await storage.accept("ann")).row
    old = await storage.render(image, "small", "small-1.jpg")
    await storage.rename(image, "small", "small-2.jpg")
    await storage.age_replaced()
    await storage.change(image.id, processing_status="processing")

    assert await storage.collector.run_once() == 0
    assert old in await storage.stored()
    await storage.rename(image, "small", "small-1.jpg")  # the size was changed back
    await storage.change(image.id, processing_status="complete")
    await storage.age_replaced()
    assert await storage.collector.run_once() == 1
    assert old in await storage.stored()


async def test_renditions_of_a_deleted_image_that_no_other_names(storage: Storage, db: Database) -> None:
    anns, bobs = (await storage.accept("ann")).row, (await storage.accept("bob")).row
    old = await storage.render(anns, "gone", "gone-1.jpg")
    shared = await storage.render(bobs, "small", "small-1.jpg")
    await storage.delete(anns.id)
    await storage.collector.run_once()
    await storage.age_replaced()

    assert await storage.collector.run_once() == 1
    assert old not in await storage.stored()
    assert shared in await storage.stored()


async def test_a_rendition_key_that_was_given_up_is_not_used_again(storage: Storage) -> None:
    image = (await storage.accept("ann")).row
    await storage.change(image.id, processing_status="complete")
    old = await storage.render(image, "small", "small-1.jpg")
    await storage.rename(image, "small", "small-2.jpg")
    async with storage.database.transaction() as connection:
        assert await keep(connection, image.sha256, [old])
    await storage.age_replaced()
    await storage.collector.run_once()

    assert await storage.place(image, "small-1.jpg") == "small-1.jpg.1"
    assert await storage.place(image, "small-2.jpg") == "small-2.jpg"
    async with storage.database.transaction() as connection:  # whoever was given it before cannot save it any more
        assert not await keep(connection, image.sha256, [old])
        assert await keep(connection, image.sha256, [f"{old}.1"])


async def test_objects_that_nobody_knows_of_go_with_their_content(storage: Storage) -> None:
    image = (await storage.accept("ann")).row
    for number in range(230):
        await storage.blobs.put(f"{keys.renditions(image.sha256)}1/{number}.jpg", b"x", content_type="image/jpeg")
    await storage.delete(image.id)
    anew: list[str] = []

    async def upload_and_render() -> None:
        row = (await storage.accept("bob")).row
        anew.append(await storage.render(row, "small", await storage.place(row, "7.jpg")))

    storage.blobs.in_delete = upload_and_render
    assert await storage.collector.run_once() == 231
    assert await storage.stored() == {*anew, *(original(row) for row in await storage.rows())}
