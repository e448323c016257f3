"""What can be stored is stored, what never can be is told apart from a server that is away, and no message harms the
connection."""

from __future__ import annotations

import asyncio

import pytest
from nats.js.api import StreamConfig

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.publish import Published, headers_size, publish
from heliograph_common.errors import BusUnavailable, StreamFull, Unpublishable

SUBJECT = "work.render.normal"
HEADERS = {" Nats-Msg-Id ": " one ", "traceparent": "a\r\nb", "name": "Grüße"}


async def test_tells_where_a_message_is_stored(bus: Bus) -> None:
    assert await publish(bus, SUBJECT, b"1", {}) == Published("WORK", 1, duplicate=False)
    assert await publish(bus, "events.image.ready", b"1", {"Nats-Msg-Id": "x"}) == Published("EVENTS", 1, False)
    assert await publish(bus, "events.image.ready", b"1", {"Nats-Msg-Id": "x"}) == Published("EVENTS", 1, True)


async def test_a_message_as_large_as_the_server_takes_is_stored_and_one_byte_more_is_refused(bus: Bus) -> None:
    largest = bus.client.max_payload - headers_size(HEADERS)
    assert (await publish(bus, SUBJECT, bytes(largest), HEADERS)).seq == 1
    with pytest.raises(Unpublishable, match="max_payload"):
        await publish(bus, SUBJECT, bytes(largest + 1), HEADERS)
    stored = await bus.jetstream.get_msg("WORK", 1)
    assert stored.headers is not None
    assert (stored.headers["Nats-Msg-Id"], stored.headers["traceparent"]) == ("one", "a  b")
    assert bus.connected
    await bus.ready()


async def test_the_server_closes_the_connection_on_what_publish_refuses(bus: Bus) -> None:
    """Why ``publish`` computes the size itself: nats-py sends such a message and gives up for good afterwards."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - a timeout or a closed connection
        await bus.jetstream.publish(SUBJECT, bytes(bus.client.max_payload), headers={"a": "b"}, timeout=2)
    assert bus.client.is_closed
    async with asyncio.timeout(10):
        with pytest.raises(BusUnavailable, match="for good"):
            await bus.died()
    assert bus.down_for() > 0


async def test_a_closed_client_is_no_death_after_stop(bus: Bus) -> None:
    died = asyncio.create_task(bus.died())
    await bus.stop(2)
    await asyncio.sleep(1.5)  # time to say what would be wrong
    assert not died.done()
    died.cancel()
    await asyncio.gather(died, return_exceptions=True)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "work..normal",
        "work.",
        "work.render.*",
        "work.>",
        "work.render.a b",
        "work.render.a\r\nPUB x 0",
        "work.\x00",
        "work.analyze.\ud800",
        pytest.param("work.render." + "x" * 5000, id="long"),
    ],
)
async def test_a_malformed_subject_is_refused(bus: Bus, subject: str) -> None:
    with pytest.raises(Unpublishable):
        await publish(bus, subject, b"", {})
    await bus.ready()


@pytest.mark.parametrize(
    "headers", [{"a b": "c"}, {"ü": "c"}, {"a": "\ud800"}, pytest.param({"a": "x" * 70_000}, id="long")]
)
async def test_malformed_headers_are_refused(bus: Bus, headers: dict[str, str]) -> None:
    with pytest.raises(Unpublishable):
        await publish(bus, SUBJECT, b"", headers)
    await bus.ready()


async def test_a_message_over_the_streams_limit_is_refused(bus: Bus) -> None:
    await _update(bus, max_msg_size=1000)
    with pytest.raises(Unpublishable, match="message size"):
        await publish(bus, SUBJECT, bytes(1001), {})
    await bus.ready()


async def test_a_full_stream_is_told_and_makes_the_bus_degraded_until_it_has_room(bus: Bus) -> None:
    await _update(bus, max_bytes=5000)
    for _ in range(4):
        await publish(bus, SUBJECT, bytes(1000), {})
    with pytest.raises(StreamFull):
        await publish(bus, SUBJECT, bytes(1000), {})
    with pytest.raises(BusUnavailable, match="publish WORK"):
        await bus.ready()
    assert bus.down_for() == 0  # pulling works
    await publish(bus, "events.image.ready", b"", {})
    with pytest.raises(BusUnavailable, match="publish WORK"):
        await bus.ready()
    await bus.jetstream.purge_stream("WORK")
    await publish(bus, SUBJECT, bytes(1000), {})
    await bus.ready()


async def test_a_missing_stream_is_the_servers_fault(bus: Bus) -> None:
    await bus.jetstream.delete_stream("WORK")
    with pytest.raises(BusUnavailable, match="no stream"):
        await publish(bus, SUBJECT, b"", {})
    assert bus.health.reason("publish") is not None


async def _update(bus: Bus, **changes: int) -> None:
    config = (await bus.jetstream.stream_info("WORK")).config
    await bus.jetstream.update_stream(StreamConfig(**{**vars(config), **changes}))
