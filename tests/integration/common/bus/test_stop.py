"""A connection that breaks just as it is stopped does not go on trying to reconnect."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from heliograph_common.bus.connection import Bus
from heliograph_common.settings import ServiceSettings
from heliograph_local.testing.proxy import TcpProxy

CONNECTIONS = 40


async def test_nothing_reconnects_after_a_stop(settings: ServiceSettings) -> None:
    before = asyncio.all_tasks()
    async with TcpProxy(lambda: urlsplit(settings.nats.url).port or 4222) as between:
        behind = settings.nats.model_copy(update={"url": f"nats://127.0.0.1:{between.port}"})
        buses = [Bus(behind, client_name=f"test-{index}") for index in range(CONNECTIONS)]
        for bus in buses:
            await bus.start()
        async with asyncio.timeout(30):
            await asyncio.gather(*(bus.wait_connected() for bus in buses))
    # All of them try to reconnect now, each 0.25 s; nats-py waits as long for a cancelled try to end, so that both meet.
    await asyncio.gather(*(_stop_after(bus, 0.02 * index) for index, bus in enumerate(buses)))
    await asyncio.sleep(1)  # four such tries
    assert asyncio.all_tasks() == before


async def _stop_after(bus: Bus, seconds: float) -> None:
    await asyncio.sleep(seconds)  # as told above
    await bus.stop(1)
