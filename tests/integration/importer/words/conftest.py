"""Words over the test's own servers, and the double of Unsplash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.components import started
from tests.integration.importer.words.support import Words

from heliograph_common.bus.provision import provision
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_common.settings import ServiceSettings
from heliograph_importer.settings import ImporterSettings
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.unsplash import KEY, UnsplashDouble


@pytest.fixture
async def words(settings: ServiceSettings, make_settings: Callable[..., Any]) -> AsyncIterator[Words]:
    """Everything but an importer."""
    backbone = Backbone.connect("test", settings, Health())
    double = UnsplashDouble(limit=1_000_000)
    async with started(backbone.components), served(double.app) as base_url:
        await backbone.bus.wait_connected()
        own = make_settings(
            ImporterSettings,
            urls={"allowed_networks": ["127.0.0.0/8"]},
            nats={"ack_wait": 2.0},
            importer={"patience": 0.5},
        )
        await provision(backbone.bus.jetstream, own.nats)
        made = Words(backbone.database, double, base_url, own, lambda: Backbone.connect("importer", own, Health()), KEY)
        yield made
        assert double.behaviour.violations == []
