"""The end of a notifier: clients are told, spread, closed, and lose nothing."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.integration.notifier.support import Notifier, Publisher, StartNotifier, stream, token
from tests.polling import until
from websockets.exceptions import InvalidStatus


async def test_clients_are_told_and_closed(notifier: Notifier) -> None:
    async with (
        notifier.subscribed("ann") as ann,
        notifier.socket("cloudevents.json", token=token("bob")) as bob,
        stream(notifier, "cy") as cy,
    ):
        await notifier.joined(3)
        stopping = asyncio.create_task(notifier.server.stop(5))
        hint = (await ann.expect("draining"))["reconnect_in_ms"]
        assert 0 <= hint <= 200
        kind, data = await cy.next()
        assert kind == "draining"
        assert cy.retry == str(data["reconnect_in_ms"])
        assert (await ann.closed())[0] == 1012
        assert (await bob.closed())[0] == 1012
        kind, data = await cy.next()
        assert (kind, data["code"]) == ("closing", 1012)
        await stopping
    assert notifier.server.connections == 0


async def test_nobody_is_let_in_while_it_drains(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(drain_notice_seconds=2)
    async with notifier.subscribed("ann") as ann:
        stopping = asyncio.create_task(notifier.server.stop(8))
        await ann.expect("draining")
        async with notifier.socket(token=token("ann")) as late:
            assert (await late.closed())[0] == 1012
        assert (await ann.closed())[0] == 1012
    await stopping


async def test_closes_are_spread(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(drain_notice_seconds=0, drain_spread_seconds=2)
    ends: list[float] = []

    async def client() -> None:
        async with notifier.subscribed("ann") as socket:
            joined.append(1)
            await socket.expect("draining")
            await socket.closed()
            ends.append(time.monotonic())

    joined: list[int] = []
    clients = [asyncio.create_task(client()) for _ in range(20)]
    await until(lambda: len(joined) >= 20, 20)
    await notifier.server.stop(10)
    await asyncio.gather(*clients)
    assert max(ends) - min(ends) > 0.5


async def test_a_peer_that_answers_nothing_does_not_hold_the_end_up(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier()
    reader, writer = await asyncio.open_connection("127.0.0.1", notifier.port)
    writer.write(
        b"GET /v1/events HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: heliograph.v1\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(10):
        await notifier.server.stop(2)
    writer.close()


async def test_a_roll_over_loses_nothing(start_notifier: StartNotifier, publish: Publisher) -> None:
    """Clients move from pod to pod by their cursors while events keep coming."""
    old = await start_notifier()
    new = await start_notifier()
    publishing = asyncio.create_task(publish("ann", 300))
    all_listen = asyncio.Barrier(11)

    async def client() -> list[str]:
        got: list[str] = []
        cursor = None
        async with old.subscribed("ann", cursor=beginning) as socket:
            await all_listen.wait()
            while (message := await socket.receive()).get("op") != "draining":
                got.append(message["id"])
                cursor = message["cursor"]
        async with new.subscribed("ann", cursor=cursor) as socket:
            return got + await socket.ids(300 - len(got))

    async with old.subscribed("ann") as socket:
        epoch = socket.cursor.partition(".")[0]
    beginning = f"{epoch}.0"
    clients = [asyncio.create_task(client()) for _ in range(10)]
    async with asyncio.timeout(30):
        await all_listen.wait()
    await old.server.stop(5)
    results = await asyncio.gather(*clients)
    await publishing
    assert all(ids == publish.sent["ann"] for ids in results)
    with pytest.raises((OSError, InvalidStatus)):
        async with old.subscribed("ann"):
            pass
