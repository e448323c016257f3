"""A thumbnailer with all its parts over the test's own servers, and a way to give it pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import simplejpeg

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.bus.publish import publish
from heliograph_common.db.engine import Database
from heliograph_common.db.statements import ImageRow, find_image
from heliograph_common.ingest.accept import Accepted, Ingest
from heliograph_common.ingest.sniff import Limits
from heliograph_common.ingest.spool import Spool
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.runtime.health import Health
from heliograph_common.settings import ServiceSettings
from heliograph_thumbnailer.bootstrap import build
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
            return await self.ingest.accept(spool.finish(), owner=owner, name=name, source="upload", **more)

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
