"""Components of a service, run in the test's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.runtime.lifecycle import Component
from heliograph_common.settings import NatsSettings


@asynccontextmanager
async def started(components: Sequence[Component], *, stop_seconds: float = 5.0) -> AsyncIterator[None]:
    """Starts them in their order, and stops all that were begun in the reverse one; each may take ``stop_seconds``."""
    async with AsyncExitStack() as stack:
        for component in components:
            stack.push_async_callback(component.stop, stop_seconds)
            await component.start()
        yield


@asynccontextmanager
async def provisioned_bus(settings: NatsSettings) -> AsyncIterator[Bus]:
    """The test's own connection to NATS, with streams and consumers as the contracts declare them."""
    bus = Bus(settings, client_name="test")
    async with started([bus]):
        async with asyncio.timeout(10):
            await bus.wait_connected()
        await provision(bus.jetstream, settings)
        yield bus
