"""What nothing uses is collected; what anyone uses, or is about to use, never is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, BinaryIO
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, update
from tests.integration.gateway.conftest import png

from heliograph_common.blobs import keys
from heliograph_common.db.engine import Database
from heliograph_common.db.models import BlobTombstone, Image, Rendition, ReplacedRendition
from heliograph_common.errors import BlobsUnavailable
from heliograph_common.ingest.accept import Accepted, Ingest
from heliograph_common.ingest.collect import Collector
from heliograph_common.ingest.spool import limits_of, spool
from heliograph_common.messaging.outbox import Message
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.settings import LimitSettings
from heliograph_common.testing.blobs import MemoryBlobs

_GRACE = timedelta(days=7)


class Nobody:
    """Leaves all messages in the outbox."""

    def submit(self, messages: list[Message]) -> None:
        """Does nothing."""


class Slow(MemoryBlobs):
    """Every write takes a while; ``after_put`` and ``in_delete`` are awaited once each, where set."""

    def __init__(self) -> None:
        super().__init__()
        self.after_put: Callable[[], Awaitable[Any]] | None = None
        self.in_delete: Callable[[], Awaitable[Any]] | None = None
        self.puts = 0

    async def put(self, key: str, source: bytes | BinaryIO, *, length: int | None = None, content_type: str) -> None:
        """Writes and dawdles."""
        await asyncio.sleep(random.uniform(0, 0.01))
        await super().put(key, source, length=length, content_type=content_type)
        self.puts += 1
        hook, self.after_put = self.after_put, None
        if hook is not None:
            await hook()
        await asyncio.sleep(random.uniform(0, 0.01))

    async def delete(self, key: str) -> None:
        """Dawdles and deletes."""
        hook, self.in_delete = self.in_delete, None
        if hook is not None:
            await hook()
        await asyncio.sleep(random.uniform(0, 0.01))
        await super().delete(key)


class World:
    """Ingest and collector over one database and one object store."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.blobs = Slow()
        self.ingest = Ingest(database, Messenger(database, Nobody()), self.blobs, waiting_before_low=100)
        self.collector = Collector(database, self.blobs, grace=_GRACE)

    async def accept(self, owner: str, seed: int = 0) -> Accepted:
        async def body() -> AsyncIterator[bytes]:
            yield png(seed=seed)

        async with spool(body(), limits_of(LimitSettings())) as spooled:
            return await self.ingest.accept(spooled, owner=owner, name="a.png", source="upload")

    async def delete(self, image_id: UUID, *, age: timedelta = _GRACE * 2) -> None:
        await self.change(image_id, deleted_at=func.now() - age)

    async def change(self, image_id: UUID, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(update(Image).where(Image.id == image_id).values(values))

    async def render(self, image: Any, name: str, key_name: str) -> str:
        key = keys.rendition(image.sha256, "1", key_name)
        await self.blobs.put(key, b"pixels", content_type="image/jpeg")
        values = {"image_id": image.id, "name": name, "kind": "thumbnail", "width": 3, "height": 2, "format": "jpeg"}
        async with self.database.transaction() as connection:
            await connection.execute(insert(Rendition).values(**values, bytes=6, key=key))
        return key

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

    async def rows(self) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(select(Image.__table__))).all())

    async def stored(self) -> set[str]:
        return {info.key async for info in self.blobs.list("")}

    async def missing(self) -> list[str]:
        """Originals that a row names and that are not there."""
        stored = await self.stored()
        return [row.sha256 for row in await self.rows() if keys.original(row.sha256) not in stored]


@pytest.fixture
def world(db: Database) -> World:
    """One of them."""
    return World(db)


async def test_a_deleted_image_goes_after_its_grace_with_all_its_files(world: World) -> None:
    gone, young, live = [(await world.accept("ann", seed)).row for seed in range(3)]
    for image in (gone, young, live):
        await world.render(image, "small", "small-1.jpg")
    await world.delete(gone.id)
    await world.delete(young.id, age=_GRACE / 2)

    assert await world.collector.run_once() == 2
    assert {row.id for row in await world.rows()} == {young.id, live.id}
    assert await world.stored() == {
        key for image in (young, live)
        for key in (keys.original(image.sha256), keys.rendition(image.sha256, "1", "small-1.jpg"))
    }  # fmt: skip
    assert await world.collector.run_once() == 0


@pytest.mark.parametrize("deleted_lately", [False, True])
async def test_files_that_another_owner_uses_stay(world: World, deleted_lately: bool) -> None:
    anns, bobs = (await world.accept("ann")).row, (await world.accept("bob")).row
    await world.delete(anns.id)
    if deleted_lately:
        await world.delete(bobs.id, age=_GRACE / 2)

    assert await world.collector.run_once() == 0
    assert [row.id for row in await world.rows()] == [bobs.id]
    assert await world.missing() == []


async def test_more_than_a_batch(world: World) -> None:
    images = [(await world.accept(f"owner-{n}", seed=n % 40)).row for n in range(130)]
    for image in images:
        await world.delete(image.id)

    assert sum(await asyncio.gather(*(world.collector.run_once() for _ in range(3)))) == 40
    assert await world.collector.run_once() == 0
    assert (await world.rows(), await world.stored()) == ([], set())


async def test_an_outage_leaves_it_for_later(world: World) -> None:
    image = (await world.accept("ann")).row
    await world.delete(image.id)
    world.blobs.down = True
    with pytest.raises(BlobsUnavailable):
        await world.collector.run_once()
    world.blobs.down = False

    assert [row.id for row in await world.rows()] == [image.id]
    assert await world.collector.run_once() == 1
    assert await world.rows() == []


# -- against uploads ---------------------------------------------------------------------------------------------------


async def test_bytes_put_before_the_collection_and_named_after_it(world: World) -> None:
    await world.delete((await world.accept("ann")).row.id)
    world.blobs.after_put = world.collector.run_once
    accepted = await world.accept("bob")

    assert accepted.created
    assert world.blobs.puts == 3  # ann's, bob's, and bob's again
    assert await world.missing() == []


async def test_bytes_named_while_the_collector_deletes(world: World) -> None:
    await world.delete((await world.accept("ann")).row.id)
    uploading: list[asyncio.Task[Accepted]] = []

    async def upload_meanwhile() -> None:
        uploading.append(asyncio.create_task(world.accept("bob")))
        await asyncio.wait(uploading, timeout=0.5)
        assert not uploading[0].done()  # it waits for the lock

    world.blobs.in_delete = upload_meanwhile
    await world.collector.run_once()

    assert (await uploading[0]).created
    assert await world.missing() == []


async def test_a_collector_that_died_after_deleting(world: World) -> None:
    await world.delete((await world.accept("ann")).row.id)

    async def die() -> None:
        await world.blobs.delete(keys.original((await world.rows())[0].sha256))
        raise BlobsUnavailable("the test says so")

    async def collect() -> None:
        world.blobs.in_delete = die
        with pytest.raises(BlobsUnavailable):
            await world.collector.run_once()

    world.blobs.after_put = collect
    await world.accept("bob")

    assert await world.missing() == []


async def test_uploads_deletions_and_collections_at_once(world: World) -> None:
    """Whatever the interleaving: a row's original is there, and what no row names is not."""
    chance = random.Random(4)

    async def owner(name: str) -> None:
        for _ in range(12):
            image = (await world.accept(name, seed=chance.randrange(2))).row
            if chance.random() < 0.7:
                await world.delete(image.id)

    async def collector() -> None:
        for _ in range(25):
            await world.collector.run_once()
            assert await _missing_of_live(world) == []
            await asyncio.sleep(0.01)

    await asyncio.gather(*(owner(f"owner-{n}") for n in range(4)), collector(), collector())
    await world.collector.run_once()

    assert await world.missing() == []
    assert await world.stored() == {keys.original(row.sha256) for row in await world.rows()}


async def _missing_of_live(world: World) -> list[str]:
    """Rows first, objects after: a row is seen only when its object is there, and a live one's must stay."""
    live = [row for row in await world.rows() if row.deleted_at is None]
    stored = await world.stored()
    gone = [row for row in live if keys.original(row.sha256) not in stored]
    still = {row.id for row in await world.rows() if row.deleted_at is None}
    return [row.sha256 for row in gone if row.id in still]


async def test_tombstones_are_forgotten_after_a_day(world: World, db: Database) -> None:
    for seed in range(2):
        await world.delete((await world.accept("ann", seed)).row.id)
    await world.collector.run_once()
    async with db.transaction() as connection:
        one = (await connection.execute(select(BlobTombstone.sha256).limit(1))).scalar_one()
        old = update(BlobTombstone).where(BlobTombstone.sha256 == one)
        await connection.execute(old.values(made_at=func.now() - timedelta(days=2)))
    await world.collector.run_once()
    async with db.transaction() as connection:
        left = list((await connection.execute(select(BlobTombstone.sha256))).scalars())

    assert len(left) == 1
    assert left != [one]


# -- replaced renditions -----------------------------------------------------------------------------------------------


async def test_a_replaced_rendition_goes_after_the_grace(world: World) -> None:
    image = (await world.accept("ann")).row
    await world.change(image.id, processing_status="complete")
    old = await world.render(image, "small", "small-1.jpg")
    new = await world.rename(image, "small", "small-2.jpg")

    assert await world.collector.run_once() == 0
    assert old in await world.stored()
    await world.age_replaced()
    assert await world.collector.run_once() == 1
    assert await world.stored() == {new, keys.original(image.sha256)}


async def test_a_replaced_rendition_that_another_image_names_stays(world: World) -> None:
    anns, bobs = (await world.accept("ann")).row, (await world.accept("bob")).row
    old = await world.render(anns, "small", "small-1.jpg")
    await world.render(bobs, "small", "small-1.jpg")
    await world.rename(anns, "small", "small-2.jpg")
    await world.age_replaced()

    assert await world.collector.run_once() == 0
    assert old in await world.stored()


async def test_nothing_goes_while_it_is_rendered(world: World) -> None:
    image = (await world.accept("ann")).row
    old = await world.render(image, "small", "small-1.jpg")
    await world.rename(image, "small", "small-2.jpg")
    await world.age_replaced()
    await world.change(image.id, processing_status="processing")

    assert await world.collector.run_once() == 0
    assert old in await world.stored()
    await world.rename(image, "small", "small-1.jpg")  # the size was changed back
    await world.change(image.id, processing_status="complete")
    await world.age_replaced()
    assert await world.collector.run_once() == 1
    assert old in await world.stored()


async def test_renditions_of_a_deleted_image_that_no_other_names(world: World, db: Database) -> None:
    anns, bobs = (await world.accept("ann")).row, (await world.accept("bob")).row
    old = await world.render(anns, "gone", "gone-1.jpg")
    shared = await world.render(bobs, "small", "small-1.jpg")
    await world.delete(anns.id)
    await world.collector.run_once()
    await world.age_replaced()

    assert await world.collector.run_once() == 1
    assert old not in await world.stored()
    assert shared in await world.stored()
