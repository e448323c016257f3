"""A notifier in this process over a nats-server of the test's own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.runtime.health import Health
from heliograph_common.settings import CompatSettings, HttpSettings
from heliograph_notifier.bootstrap import build
from heliograph_notifier.settings import NotifierSettings, SocketSettings
from heliograph_notifier.transports.server import EventServer

ROOT = Path(__file__).parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.integration.notifier.support import AUTH, NatsServer, Notifier, Publisher, StartNotifier  # noqa: E402


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """The test's own connection, with the streams provisioned."""
    bus = Bus(nats_server.settings, client_name="test")
    await bus.start()
    async with asyncio.timeout(10):
        await bus.wait_connected()
    await provision(bus.jetstream, nats_server.settings)
    yield bus
    await bus.stop(2)


@pytest.fixture
def publish(bus: Bus) -> Publisher:
    return Publisher(bus)


@pytest.fixture
async def start_notifier(nats_server: NatsServer, bus: Bus) -> AsyncIterator[StartNotifier]:
    """Starts a notifier with the given socket settings; stops all at the end."""
    del bus  # the streams must be there
    running: list[Notifier] = []

    async def start(*, old_clients: bool = True, **sockets: Any) -> Notifier:
        chosen = {"drain_notice_seconds": 0.1, "drain_spread_seconds": 0.2, "abort_seconds": 0.5, **sockets}
        settings = NotifierSettings(
            nats=nats_server.settings,
            auth=AUTH,
            http=HttpSettings(port=0),
            sockets=SocketSettings(**chosen),
            compat=CompatSettings(enabled=old_clients),
        )
        health = Health(cache_seconds=0)
        components = await build(settings, health)
        stack = AsyncExitStack()
        for component in components:
            stack.push_async_callback(component.stop, 5.0)
            await component.start()
        health.phase = "serving"
        server = components[-1]
        assert isinstance(server, EventServer)
        notifier = Notifier(server.port, health, server, stack)
        running.append(notifier)
        async with asyncio.timeout(10):
            while not (await health.report()).ready:
                await asyncio.sleep(0.02)
        return notifier

    yield start
    for notifier in running:
        await notifier.stop()


@pytest.fixture
async def notifier(start_notifier: StartNotifier) -> Notifier:
    return await start_notifier()
