"""A thumbnailer with all its parts over the test's own servers, and a way to give it pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import simplejpeg
from tests.components import started
from tests.integration.thumbnailer.support import Gate, Library, running

from heliograph_common.bus.provision import provision
from heliograph_common.ingest.accept import Ingest
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_common.settings import ServiceSettings
from heliograph_thumbnailer.sandbox.pool import RenderPool
from heliograph_thumbnailer.settings import ThumbnailerSettings


@pytest.fixture
async def library(settings: ServiceSettings) -> AsyncIterator[Library]:
    """Everything but a thumbnailer."""
    backbone = Backbone.connect("thumbnailer", settings, Health())
    async with started(backbone.components):
        await backbone.bus.wait_connected()
        await provision(backbone.bus.jetstream, settings.nats)
        ingest = Ingest(backbone.database, backbone.messenger, backbone.blobs, waiting_before_low=100)
        yield Library(backbone, ingest)


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
    async with started([pool]), library.worker(gate):
        yield gate
