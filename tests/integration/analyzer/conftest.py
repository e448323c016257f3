"""Analyses over the test's own servers and a double of OpenAI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.components import started
from tests.integration.analyzer.support import Analyses

from heliograph_analyzer.settings import AnalyzerSettings
from heliograph_common.bus.provision import provision
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_common.settings import ServiceSettings
from heliograph_local.doubles.openai.app import OpenAIDouble
from heliograph_local.doubles.serving import served


@pytest.fixture
async def world(settings: ServiceSettings, make_settings: Callable[..., Any]) -> AsyncIterator[Analyses]:
    """Everything but an analyzer. What OpenAI would not have accepted fails the test."""
    backbone, double = Backbone.connect("test", settings, Health()), OpenAIDouble()
    async with started(backbone.components), served(double.app) as url:
        await backbone.bus.wait_connected()
        await provision(backbone.bus.jetstream, settings.nats)
        yield Analyses(backbone, make_settings(AnalyzerSettings), double, url)
    assert double.behaviour.violations == []
