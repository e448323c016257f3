"""A notifier in this process over a nats-server of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.components import provisioned_bus, started
from tests.integration.notifier.support import AUTH, Notifier, Publisher, StartNotifier
from tests.memory_folder import memory_folder
from tests.nats_server import NatsServer
from tests.polling import until

from heliograph_common.bus.connection import Bus
from heliograph_common.runtime.health import Health
from heliograph_common.settings import CompatSettings, HttpSettings
from heliograph_notifier.bootstrap import build
from heliograph_notifier.settings import NotifierSettings, SocketSettings
from heliograph_notifier.transports.server import EventServer


@pytest.fixture
async def nats_server() -> AsyncIterator[NatsServer]:
    with TemporaryDirectory(dir=memory_folder()) as folder:
        server = NatsServer(Path(folder))
        await server.start()
        yield server
        await server.stop()


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """The test's own connection, with the streams provisioned."""
    async with provisioned_bus(nats_server.settings) as bus:
        yield bus


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
        await stack.enter_async_context(started(components[:1]))
        assert isinstance(components[0], Bus)
        await components[0].wait_connected()  # what reads events before that tries again only after 0.5 s
        await stack.enter_async_context(started(components[1:]))
        health.phase = "serving"
        server = components[-1]
        assert isinstance(server, EventServer)
        notifier = Notifier(server.port, health, server, stack)
        running.append(notifier)

        async def ready() -> bool:
            return (await health.report()).ready

        await until(ready, 10)
        return notifier

    yield start
    for notifier in running:
        await notifier.stop()


@pytest.fixture
async def notifier(start_notifier: StartNotifier) -> Notifier:
    return await start_notifier()
