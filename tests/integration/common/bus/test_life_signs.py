"""Signs of life go on while the service's event loop stands still, and end when the hold does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.errors import Error as NatsError
from tests.nats_server import NatsServer

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.provision import provision
from heliograph_common.bus.publish import publish
from heliograph_common.bus.pull import PullSource
from heliograph_common.contracts.streams import THUMBNAILER

ACK_WAIT = 2.0  # as the bus fixture provisions the consumers


@pytest.fixture
async def signs(bus: Bus) -> AsyncIterator[LifeSigns]:
    signs = LifeSigns(bus.settings, client_name="test")
    await signs.start()
    yield signs
    await signs.stop(5)


@pytest.fixture
async def source(bus: Bus, signs: LifeSigns) -> AsyncIterator[PullSource]:
    source = PullSource(bus, THUMBNAILER, ack_wait=ACK_WAIT, signs=signs)
    yield source
    await source.close()


async def deliveries(bus: Bus) -> int:
    info = await bus.jetstream.consumer_info("WORK", "thumbnailer-high")
    assert info.delivered is not None
    return int(info.delivered.consumer_seq)


async def test_a_blocked_event_loop_costs_no_delivery(bus: Bus, source: PullSource) -> None:
    other = PullSource(bus, THUMBNAILER, ack_wait=ACK_WAIT, signs=LifeSigns(bus.settings, client_name="other"))
    await publish(bus, "work.render.high", b"slow", {})
    delivery = await source.next()
    delivery.hold(60)
    waiting = asyncio.create_task(other.next())
    await asyncio.sleep(0.5)  # the other has its pull standing
    time.sleep(3 * ACK_WAIT)  # noqa: ASYNC251 - what a picture can do
    await asyncio.sleep(0.5)  # time for a redelivery, which would be wrong
    assert not waiting.done()
    assert await deliveries(bus) == 1
    await delivery.ack()
    await asyncio.sleep(1.5 * ACK_WAIT)  # the server counts in real time
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await other.close()


async def test_after_the_limit_of_its_hold_a_message_comes_again(source: PullSource) -> None:
    await publish(source._bus, "work.render.high", b"endless", {})
    first = await source.next()
    first.hold(2 * ACK_WAIT)
    held_at = time.monotonic()
    async with asyncio.timeout(20):
        again = await source.next()
    assert again.deliveries == 2
    assert time.monotonic() - held_at > 2 * ACK_WAIT
    await again.ack()


async def test_a_released_message_comes_again_after_ack_wait(source: PullSource) -> None:
    await publish(source._bus, "work.render.high", b"released", {})
    first = await source.next()
    first.hold(600)
    await asyncio.sleep(1.5 * ACK_WAIT)  # the server counts in real time
    first.release()
    async with asyncio.timeout(20):
        again = await source.next()
    assert again.deliveries == 2
    await again.ack()


async def test_what_is_settled_is_not_held(signs: LifeSigns, source: PullSource) -> None:
    await publish(source._bus, "work.render.high", b"x", {})
    delivery = await source.next()
    delivery.hold(600)
    assert signs._holds
    await delivery.nak(0)
    assert not signs._holds


async def test_signs_go_on_after_a_restart_of_the_server(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    await server.start()
    settings = server.settings.model_copy(update={"ack_wait": ACK_WAIT})
    bus, signs = Bus(settings, client_name="test"), LifeSigns(settings, client_name="test")
    source = PullSource(bus, THUMBNAILER, ack_wait=ACK_WAIT, signs=signs)
    try:
        await bus.start()
        await signs.start()
        async with asyncio.timeout(20):
            await bus.wait_connected()
            await provision(bus.jetstream, settings)
            await publish(bus, "work.render.high", b"x", {})
            delivery = await source.next()
        delivery.hold(600)
        await server.stop()
        await server.start()
        async with asyncio.timeout(20):
            await bus.wait_connected()
        # The server counts the time it was away, so it may come once more; what counts is that signs go on.
        async with asyncio.timeout(60):
            while (before := await deliveries_when_up(bus)) is None:
                await asyncio.sleep(0.1)
        await asyncio.sleep(2 * ACK_WAIT)  # the server counts in real time
        assert await deliveries(bus) == before
        await delivery.ack()
    finally:
        await source.close()
        await signs.stop(5)
        await bus.stop(2)
        await server.stop()


async def deliveries_when_up(bus: Bus) -> int | None:
    """Deliveries so far, once the server answers."""
    try:
        return await deliveries(bus)
    except (TimeoutError, NatsError):
        return None


async def test_the_thread_ends_with_stop_which_is_no_death(source: PullSource) -> None:
    signs = source._signs
    died = asyncio.create_task(signs.died())
    await asyncio.sleep(0.5)  # it has begun to wait
    await signs.stop(5)
    assert signs._ended.is_set()
    await asyncio.sleep(1)  # time to say what would be wrong
    assert not died.done()
    died.cancel()
    await asyncio.gather(died, return_exceptions=True)
