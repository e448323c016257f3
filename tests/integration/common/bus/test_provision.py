"""Streams and consumers are what the contracts say, however often and whatever they were before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from nats.js.api import ConsumerConfig, StreamConfig
from tests.polling import until

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.dead_letters import DeadLetters
from heliograph_common.bus.lag import lags
from heliograph_common.bus.provision import ensure, provision
from heliograph_common.bus.publish import publish
from heliograph_common.bus.work_progress import ConsumerProgress, work_progress
from heliograph_common.contracts.streams import CONSUMERS, STREAMS, THUMBNAILER
from heliograph_common.errors import BusUnavailable, StreamFull
from heliograph_common.settings import ServiceSettings

pytestmark = pytest.mark.backends


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


async def test_streams_reserve_what_the_settings_say_and_work_refuses_when_full(
    bus: Bus, settings: ServiceSettings
) -> None:
    found = {spec.name: (await bus.jetstream.stream_info(spec.name)).config for spec in STREAMS}
    nats = settings.nats
    assert {name: config.max_bytes for name, config in found.items()} == {
        "WORK": nats.work_bytes,
        "EVENTS": nats.events_bytes,
        "DEAD": nats.dead_bytes,
    }
    assert {name: config.discard for name, config in found.items()} == {"WORK": "new", "EVENTS": "old", "DEAD": "old"}


async def test_corrects_the_size_of_streams_that_had_none(bus: Bus, settings: ServiceSettings) -> None:
    config = (await bus.jetstream.stream_info("EVENTS")).config
    config.max_bytes = -1
    await bus.jetstream.update_stream(config)
    done = await provision(bus.jetstream, settings.nats)
    assert any("EVENTS" in line and "max_bytes" in line for line in done)


async def test_too_little_storage_names_the_setting(bus: Bus, settings: ServiceSettings) -> None:
    too_much = settings.nats.model_copy(update={"events_bytes": 1 << 50})
    with pytest.raises(StreamFull, match="HELIOGRAPH_NATS__EVENTS_BYTES"):
        await provision(bus.jetstream, too_much)


async def test_ensure_makes_what_is_missing_and_corrects_nothing(bus: Bus) -> None:
    assert await ensure(bus) == []
    await bus.jetstream.update_stream(StreamConfig(name="EVENTS", subjects=["events.image.*"], max_age=60.0))
    assert await ensure(bus) == []
    await bus.jetstream.delete_consumer("WORK", "thumbnailer-low")
    assert await ensure(bus) == ["created consumer thumbnailer-low"]
    await bus.jetstream.delete_stream("WORK")
    assert await ensure(bus) == ["created stream WORK", *(f"created consumer {each.durable}" for each in CONSUMERS)]


async def test_ensure_by_several_at_the_same_time(bus: Bus) -> None:
    await bus.jetstream.delete_stream("WORK")
    made = await asyncio.gather(*(ensure(bus) for _ in range(5)))
    assert any(made)
    assert await ensure(bus) == []


async def test_progress_tells_how_far_each_consumer_has_come(bus: Bus) -> None:
    for subject in ("work.render.high", "work.render.low", "work.render.low"):
        await publish(bus, subject, b"", {})
    subscription = await bus.jetstream.pull_subscribe_bind("thumbnailer-low", "WORK")
    await subscription.fetch(1)
    await bus.client.jsm().pause_consumer("WORK", "thumbnailer-high", pause_until(60))
    expected = {
        **{spec.durable: ConsumerProgress(0, 0, paused=False) for spec in CONSUMERS},
        "thumbnailer-high": ConsumerProgress(0, 1, paused=True),
        "thumbnailer-low": ConsumerProgress(2, 1, paused=False),
    }

    async def counted() -> bool:  # a consumer counts a message a moment after the stream has it
        return (await work_progress(bus)).consumers == expected

    await until(counted)
    progress = await work_progress(bus)
    assert progress.last_seq == 3
    epoch = progress.epoch
    assert (await work_progress(bus)).epoch == epoch
    await bus.jetstream.delete_stream("WORK")
    await ensure(bus)
    assert (await work_progress(bus)).epoch != epoch


@pytest.mark.parametrize("lost", ["stream", "consumer"])
async def test_what_is_missing_never_reads_as_nothing_waits(bus: Bus, lost: str) -> None:
    await publish(bus, "work.render.low", b"", {})

    async def waiting() -> bool:  # a consumer counts a message a moment after the stream has it
        return sum(lag.waiting for lag in await lags(bus, THUMBNAILER)) == 1

    await until(waiting)
    if lost == "stream":
        await bus.jetstream.delete_stream("WORK")
    else:
        await bus.jetstream.delete_consumer("WORK", "thumbnailer-low")
    for ask in (lags(bus, THUMBNAILER), work_progress(bus)):
        with pytest.raises(BusUnavailable):
            await ask


async def test_dead_letters_of_a_missing_stream_are_unknown_not_absent(bus: Bus) -> None:
    assert await DeadLetters(bus).get(1) is None
    await bus.jetstream.delete_stream("DEAD")
    with pytest.raises(BusUnavailable):
        await DeadLetters(bus).get(1)


def pause_until(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
