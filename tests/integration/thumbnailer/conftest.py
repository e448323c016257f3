"""A thumbnailer with all its parts over the test's own servers, and a way to give it pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import simplejpeg
from tests.integration.thumbnailer.support import Gate, Library, running

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.provision import provision
from heliograph_common.bus.publish import publish
from heliograph_common.bus.pull import PullSource
from heliograph_common.contracts.streams import THUMBNAILER
from heliograph_common.db.engine import Database
from heliograph_common.ingest.accept import Ingest
from heliograph_common.ingest.sniff import Limits
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.messaging.worker import Worker, WorkerSettings
from heliograph_common.settings import ServiceSettings
from heliograph_thumbnailer.handler import RenderHandler
from heliograph_thumbnailer.sandbox.pool import RenderPool
from heliograph_thumbnailer.settings import ThumbnailerSettings


@pytest.fixture
async def library(settings: ServiceSettings) -> AsyncIterator[Library]:
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
    yield Library(
        settings, database, bus, blobs, relay, messenger, Ingest(database, messenger, blobs, waiting_before_low=100)
    )
    await relay.stop(2)
    await bus.stop(2)
    await blobs.close()
    await database.close()


@pytest.fixture
async def thumbnailer(library: Library, make_settings: Callable[..., Any]) -> AsyncIterator[None]:
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


@pytest.fixture
async def gate(library: Library) -> AsyncIterator[Gate]:
    """A thumbnailer with one slot behind it."""
    pool = RenderPool(1)
    gate = Gate(pool)
    worker = Worker(
        "thumbnailer",
        PullSource(
            library.bus,
            THUMBNAILER,
            ack_wait=library.settings.nats.ack_wait,
            signs=LifeSigns(library.settings.nats, client_name="test"),
        ),
        RenderHandler(library.blobs, gate, Limits(), max_attempts=3),
        library.messenger,
        WorkerSettings(slots=1),
    )
    await pool.start()
    await worker.start()
    yield gate
    await worker.stop(5)
    await pool.stop()
