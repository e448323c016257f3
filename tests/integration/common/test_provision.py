"""Streams and consumers are what the contracts say, however often and whatever they were before."""

from __future__ import annotations

import asyncio

from nats.js.api import ConsumerConfig, StreamConfig

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.contracts.streams import CONSUMERS, STREAMS
from heliograph_common.settings import ServiceSettings


async def test_creates_everything_once(settings: ServiceSettings) -> None:
    bus = Bus(settings.nats, client_name="test")
    await bus.start()
    await bus.wait_connected()
    first = await provision(bus.jetstream, settings.nats)
    assert len(first) == len(STREAMS) + len(CONSUMERS)
    assert await provision(bus.jetstream, settings.nats) == []
    await bus.stop(2)


async def test_two_at_the_same_time(settings: ServiceSettings) -> None:
    bus = Bus(settings.nats, client_name="test")
    await bus.start()
    await bus.wait_connected()
    await asyncio.gather(*(provision(bus.jetstream, settings.nats) for _ in range(4)))
    assert await provision(bus.jetstream, settings.nats) == []
    await bus.stop(2)


async def test_corrects_drift(bus: Bus, settings: ServiceSettings) -> None:
    await bus.jetstream.update_stream(StreamConfig(name="EVENTS", subjects=["events.image.*"], max_age=60.0))
    await bus.jetstream.add_consumer(
        "WORK", ConsumerConfig(durable_name="thumbnailer-low", filter_subject="work.render.low", ack_wait=99.0)
    )
    done = await provision(bus.jetstream, settings.nats)
    assert any("EVENTS" in line and "max_age" in line for line in done)
    assert any("thumbnailer-low" in line and "ack_wait" in line for line in done)
    assert (await bus.jetstream.consumer_info("WORK", "thumbnailer-low")).config.ack_wait == settings.nats.ack_wait
    assert await provision(bus.jetstream, settings.nats) == []
