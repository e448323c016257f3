"""Coming back with a cursor: everything since, in order, once; or a reset that says why."""

from __future__ import annotations

import asyncio
import signal

import nats
import pytest
from tests.integration.notifier.support import Notifier, Publisher, StartNotifier, token
from tests.nats_server import NatsServer

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.contracts import subjects


async def test_from_the_ring(notifier: Notifier, publish: Publisher) -> None:
    async with notifier.subscribed("ann") as socket:
        seen = await publish("ann", 3)
        assert await socket.ids(3) == seen
        cursor = socket.cursor
    missed = await publish("ann", 5)
    async with notifier.subscribed("ann", cursor=cursor) as socket:
        assert await socket.ids(5) == missed
        live = await publish("ann", 1)
        assert await socket.ids(1) == live


async def test_by_the_url_of_cloudevents(notifier: Notifier, publish: Publisher) -> None:
    async with notifier.subscribed("ann") as socket:
        cursor = socket.cursor
    missed = await publish("ann", 5)
    async with notifier.socket("cloudevents.json", token=token("ann"), query=f"?cursor={cursor}") as socket:
        assert await socket.ids(5) == missed


async def test_after_a_restart_of_the_notifier(start_notifier: StartNotifier, publish: Publisher) -> None:
    first = await start_notifier()
    async with first.subscribed("ann") as socket:
        await publish("ann", 3)
        await socket.ids(2)
        cursor = socket.cursor
    await first.stop()
    await publish("ann", 500)
    second = await start_notifier(ring_events=100)
    async with second.subscribed("ann", cursor=cursor) as socket:
        assert await socket.ids(501) == publish.sent["ann"][2:]


async def test_while_events_keep_coming(start_notifier: StartNotifier, publish: Publisher) -> None:
    """Clients join, at every phase of a stream of events, through stream, ring and fan-out: never a gap."""
    notifier = await start_notifier(ring_events=20)
    async with notifier.subscribed("ann") as socket:
        cursor = socket.cursor
    await publish("ann", 100)
    publishing = asyncio.create_task(publish("ann", 400))

    async def client(delay: float) -> list[str]:
        await asyncio.sleep(delay)  # they come one after another
        async with notifier.subscribed("ann", cursor=cursor) as socket:
            return await socket.ids(500)

    lists = await asyncio.gather(*(client(number * 0.02) for number in range(20)))
    await publishing
    assert all(ids == publish.sent["ann"] for ids in lists)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_through_restarts_of_nats_sockets_stay_open(
    nats_server: NatsServer, bus: Bus, notifier: Notifier, publish: Publisher, how: signal.Signals
) -> None:
    async with notifier.subscribed("ann") as socket:
        for _ in range(2):
            await publish("ann", 3)
            await nats_server.stop(how)
            report = await notifier.health.report()
            assert report.status == "degraded"
            await socket.expect_pong()
            await nats_server.start()
            async with asyncio.timeout(10):
                await bus.wait_connected()
            await publish("ann", 2)
        assert await socket.ids_among_pongs(10) == publish.sent["ann"]
        cursor = socket.cursor
    missed = await publish("ann", 2)
    async with notifier.subscribed("ann", cursor=cursor) as socket:
        assert await socket.ids(2) == missed


async def test_a_long_backlog_does_not_make_a_client_slow(start_notifier: StartNotifier, publish: Publisher) -> None:
    """Replays wait for the client; only live events have a bounded queue."""
    notifier = await start_notifier(queue_events=10)
    async with notifier.subscribed("ann") as socket:
        cursor = socket.cursor
    await publish("ann", 300)
    async with notifier.subscribed("ann", cursor=cursor) as socket:
        assert await socket.ids(300) == publish.sent["ann"]


RESETS = {
    "malformed": "yesterday",
    "other_epoch": "abc.5",
}


@pytest.mark.parametrize("reason", RESETS)
async def test_resets(notifier: Notifier, publish: Publisher, reason: str) -> None:
    async with notifier.socket(token=token("ann")) as socket:
        await socket.expect("auth_ok")
        await socket.say("subscribe", cursor=RESETS[reason])
        reset = await socket.expect("reset")
        assert reset["reason"] == reason
        ids = await publish("ann")
        assert await socket.ids(1) == ids
    async with notifier.subscribed("ann", cursor=reset["cursor"]) as socket:
        assert await socket.ids(1) == ids


@pytest.mark.parametrize("reason", RESETS)
async def test_resets_of_cloudevents_are_close_codes(notifier: Notifier, publish: Publisher, reason: str) -> None:
    async with notifier.subscribed("ann") as socket:  # so that the notifier has read it when it tells its cursor
        earlier = await publish("ann")
        assert await socket.ids(1) == earlier
    query = f"?cursor={RESETS[reason]}"
    async with notifier.socket("cloudevents.json", token=token("ann"), query=query) as socket:
        code, why = await socket.closed()
    assert code == 4201
    word, got, cursor = why.split()
    assert (word, got) == ("reset", reason)
    missed = await publish("ann")
    async with notifier.socket("cloudevents.json", token=token("ann"), query=f"?cursor={cursor}") as socket:
        assert await socket.ids(1) == missed


async def test_a_cursor_from_the_future_is_unknown(notifier: Notifier) -> None:
    async with notifier.subscribed("ann") as socket:
        epoch = socket.cursor.partition(".")[0]
    async with notifier.socket(token=token("ann")) as socket:
        await socket.expect("auth_ok")
        await socket.say("subscribe", cursor=f"{epoch}.99")
        assert (await socket.expect("reset"))["reason"] == "unknown"


async def test_a_cursor_whose_events_expired_is_too_old(
    start_notifier: StartNotifier, bus: Bus, publish: Publisher
) -> None:
    notifier = await start_notifier(ring_events=1)
    async with notifier.subscribed("ann") as socket:
        cursor = socket.cursor
    await publish("ann", 10)
    await bus.jetstream.purge_stream(subjects.EVENTS_STREAM, seq=5)
    async with notifier.socket(token=token("ann")) as socket:
        await socket.expect("auth_ok")
        await socket.say("subscribe", cursor=cursor)
        assert (await socket.expect("reset"))["reason"] == "too_old"


async def test_events_deleted_from_the_midst_reset_returning_clients(
    start_notifier: StartNotifier, bus: Bus, publish: Publisher
) -> None:
    notifier = await start_notifier(ring_events=1)
    async with notifier.subscribed("ann") as socket:
        cursor = socket.cursor
        await publish("ann", 10)
        await socket.ids(10)
    await bus.jetstream.delete_msg(subjects.EVENTS_STREAM, 5)
    async with notifier.socket(token=token("ann")) as socket:
        await socket.expect("auth_ok")
        await socket.say("subscribe", cursor=cursor)
        await socket.expect("ready")
        assert (await socket.expect("reset"))["reason"] == "deleted"
        missed = await publish("ann")
        assert await socket.ids(1) == missed


async def test_a_replaced_stream_resets_live_clients(
    nats_server: NatsServer, bus: Bus, notifier: Notifier, publish: Publisher
) -> None:
    async with (
        notifier.subscribed("ann") as ann,
        notifier.socket("cloudevents.json", token=token("bob")) as bob,
    ):
        await publish("ann")
        await ann.ids(1)
        await bus.jetstream.delete_stream(subjects.EVENTS_STREAM)
        await provision(bus.jetstream, nats_server.settings)
        reset = await ann.expect("reset")
        assert reset["reason"] == "other_epoch"
        assert (await bob.closed())[0] == 4201
        ids = await publish("ann")
        assert await ann.ids(1) == ids


async def test_a_message_that_is_no_event_is_passed_over(bus: Bus, notifier: Notifier, publish: Publisher) -> None:
    async with notifier.subscribed("ann") as socket:
        cursor = socket.cursor
        await bus.jetstream.publish(subjects.event("image.ready"), b"\xff not json")
        ids = await publish("ann")
        assert await socket.ids(1) == ids
    async with notifier.subscribed("ann", cursor=cursor) as socket:
        assert await socket.ids(1) == ids


async def test_with_nats_away_a_replay_says_so(
    start_notifier: StartNotifier, nats_server: NatsServer, publish: Publisher
) -> None:
    notifier = await start_notifier(ring_events=2)
    async with notifier.subscribed("ann") as socket:
        cursor = socket.cursor
    await publish("ann", 10)
    async with notifier.subscribed("ann") as socket:
        await nats_server.stop()
        await socket.say("subscribe", cursor=cursor)
        code, _ = await socket.closed()
    assert code == 4100
    with pytest.raises((nats.errors.Error, TimeoutError)):
        await publish("ann")
