"""Imports over the test's own servers, from a provider in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import simplejpeg
from tests.components import started
from tests.integration.importer.support import Imports, Shelf

from heliograph_common.bus.provision import provision
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_common.settings import ServiceSettings
from heliograph_importer.settings import ImporterSettings


@pytest.fixture
async def imports(settings: ServiceSettings, make_settings: Callable[..., Any]) -> AsyncIterator[Imports]:
    """Everything but an importer."""
    backbone = Backbone.connect("test", settings, Health())
    async with started(backbone.components):
        await backbone.bus.wait_connected()
        await provision(backbone.bus.jetstream, settings.nats)
        own = make_settings(ImporterSettings)
        yield Imports(
            backbone.database, backbone.messenger, Shelf(), lambda: Backbone.connect("importer", own, Health()), own
        )


@pytest.fixture(scope="session")
def picture() -> Callable[[int], bytes]:
    """Makes a small JPEG, another one with each number."""

    def make(number: int) -> bytes:
        colour = [number % 256, number // 256 % 256, number // 65_536 % 256]
        pixels = np.full((16, 24, 3), colour, dtype=np.uint8)
        pixels[0, :24, 0] = [255 * (number >> bit & 1) for bit in range(24)]
        return bytes(simplejpeg.encode_jpeg(pixels, quality=95, colorsubsampling="444"))

    return make
