"""A thumbnailer with all its parts over the test's own servers, and a way to give it pictures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import simplejpeg

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.provision import provision
from heliograph_common.bus.publish import publish
from heliograph_common.bus.pull import PullSource
from heliograph_common.contracts.streams import THUMBNAILER
from heliograph_common.db.engine import Database
from heliograph_common.db.statements import ImageRow, find_image
from heliograph_common.ingest.accept import Accepted, Ingest
from heliograph_common.ingest.sniff import Limits
from heliograph_common.ingest.spool import Spool
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.messaging.worker import Worker, WorkerSettings
from heliograph_common.runtime.health import Health
from heliograph_common.settings import ServiceSettings
from heliograph_thumbnailer.bootstrap import build
from heliograph_thumbnailer.handler import RenderHandler
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob, ThumbnailsDone
from heliograph_thumbnailer.sandbox.pool import RenderPool
from heliograph_thumbnailer.settings import ThumbnailerSettings


@dataclass
class World:
    """What a sender has: a database, a bus, blobs, and ingest over them."""

    settings: ServiceSettings
    database: Database
    bus: Bus
    blobs: MinioBlobs
    relay: Relay
    messenger: Messenger
    ingest: Ingest

    async def accept(self, data: bytes, *, name: str = "a.jpg", owner: str = "ann", **more: Any) -> Accepted:
        """Takes a picture in as an upload would."""
        with Spool(Limits()) as spool:
            spool.write(data)
            return await self.ingest.accept(await spool.finish(), owner=owner, name=name, source="upload", **more)

    async def image(self, image_id: UUID) -> ImageRow:
        """Its row."""
        async with self.database.transaction() as connection:
            row = await find_image(connection, image_id)
        assert row is not None
        return row

    async def finished(self, image_id: UUID, *, timeout: float = 60.0) -> ImageRow:
        """Its row once it is complete or failed."""
        async with asyncio.timeout(timeout):
            while (row := await self.image(image_id)).processing_status not in {"complete", "failed"}:
                await asyncio.sleep(0.05)
        return row


@pytest.fixture
async def world(settings: ServiceSettings) -> AsyncIterator[World]:
    """Everything but a thumbnailer."""
    database = Database(settings.database, application="test")
    blobs = MinioBlobs(settings.s3)
    bus = Bus(settings.nats, client_name="test")
    relay = Relay(database, partial(publish, bus), lambda: bus.connected)
    messenger = Messenger(database, relay)
    await bus.start()
    await bus.wait_connected()
    await provision(bus.jetstream, settings.nats)
    await relay.start()
    yield World(
        settings, database, bus, blobs, relay, messenger, Ingest(database, messenger, blobs, waiting_before_low=100)
    )
    await relay.stop(2)
    await bus.stop(2)
    await blobs.close()
    await database.close()


@asynccontextmanager
async def running(settings: ThumbnailerSettings) -> AsyncIterator[None]:
    """A thumbnailer in this process, its render children in their own."""
    components = await build(settings, Health())
    for component in components:
        await component.start()
    try:
        yield
    finally:
        for component in reversed(components):
            await component.stop(5)


@pytest.fixture
async def thumbnailer(world: World, make_settings: Callable[..., Any]) -> AsyncIterator[None]:
    """One that runs during the test."""
    async with running(make_settings(ThumbnailerSettings)):
        yield


@pytest.fixture
def make_jpeg() -> Callable[..., bytes]:
    """Makes a colourful JPEG: ``make_jpeg(width, height, seed=0)``."""

    def make(width: int = 1200, height: int = 800, *, seed: int = 0) -> bytes:
        y, x = np.mgrid[0:height, 0:width]
        pixels = np.stack([x * 255 // width, y * 255 // height, (x + y + 37 * seed) % 256], axis=2)
        return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels.astype(np.uint8)), quality=85))

    return make


@dataclass
class Gate:
    """Real renders that wait before they hand out thumbnails, and before variants, until they are let go."""

    pool: RenderPool
    thumbnails: asyncio.Event = field(default_factory=asyncio.Event)
    variants: asyncio.Event = field(default_factory=asyncio.Event)
    renders: int = 0

    async def render(self, original: int, job: RenderJob) -> AsyncGenerator[RenderEvent]:
        self.renders += 1
        async with contextlib.aclosing(self.pool.render(original, job)) as events:
            async for event in events:
                await (self.thumbnails if isinstance(event, ThumbnailsDone) else self.variants).wait()
                yield event


@pytest.fixture
async def gate(world: World) -> AsyncIterator[Gate]:
    """A thumbnailer with one slot behind it."""
    pool = RenderPool(1)
    gate = Gate(pool)
    worker = Worker(
        "thumbnailer",
        PullSource(
            world.bus,
            THUMBNAILER,
            ack_wait=world.settings.nats.ack_wait,
            signs=LifeSigns(world.settings.nats, client_name="test"),
        ),
        RenderHandler(world.blobs, gate, Limits(), max_attempts=3),
        world.messenger,
        WorkerSettings(slots=1),
    )
    await pool.start()
    await worker.start()
    yield gate
    await worker.stop(5)
    await pool.stop()


async def state(world: World, image_id: UUID, wanted: str) -> None:
    """Returns once the thumbnails of the image are in the state ``wanted``."""
    async with asyncio.timeout(30):
        while (await world.image(image_id)).thumbnail_status != wanted:
            await asyncio.sleep(0.02)


async def no_work(world: World) -> None:
    """Returns once no command waits or is in hand. What was left to its ``ack_wait`` (30 s) would take longer."""
    async with asyncio.timeout(20):
        while (await world.bus.jetstream.stream_info("WORK")).state.messages:
            await asyncio.sleep(0.02)
