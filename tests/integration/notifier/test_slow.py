"""Clients that do not read: closed, let go of, and able to resume."""

from __future__ import annotations

import asyncio
import socket as sockets

from tests.integration.notifier.support import Notifier, Publisher, Socket, StartNotifier, drops, token
from tests.polling import until
from websockets.exceptions import ConnectionClosed

BIG = "x" * 20_000
"""A name that makes events large, so that kernel buffers fill after few of them."""


async def open_raw(notifier: Notifier, query: str = "") -> sockets.socket:
    """A subscribed client that reads its handshake and then nothing, with a small receive buffer."""
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", notifier.port))
    request = (
        f"GET /v1/events{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: cloudevents.json\r\nAuthorization: Bearer {token('ann')}\r\n\r\n"
    )
    await loop.sock_sendall(raw, request.encode())
    assert b"101" in await loop.sock_recv(raw, 1024)
    return raw


async def until_gone(notifier: Notifier) -> None:
    await until(lambda: not notifier.server.connections, 20)


async def test_a_client_that_never_reads_holds_nothing(start_notifier: StartNotifier, publish: Publisher) -> None:
    notifier = await start_notifier(queue_events=20)
    raw = await open_raw(notifier)
    await notifier.joined()
    async with notifier.subscribed("ann") as quick:
        for _ in range(30):  # 18 MB: more than the kernel buffers of both sides
            await publish("ann", 30, name=BIG)
            await quick.ids(30)  # nobody waits for the slow one
            if notifier.server.connections == 1:
                break
        assert notifier.server.connections == 1
    raw.close()


async def test_a_slow_client_is_told_and_resumes(start_notifier: StartNotifier, publish: Publisher) -> None:
    notifier = await start_notifier(queue_events=20, abort_seconds=10)
    got: list[str] = []
    async with notifier.socket(token=token("ann"), max_queue=1) as socket:
        await socket.expect("auth_ok")
        await socket.say("subscribe")
        socket.cursor = (await socket.expect("ready"))["cursor"]
        async with asyncio.timeout(60):
            before = drops()
            while drops() == before:
                await publish("ann", 30, name=BIG)
        code = None
        try:
            while True:
                got += await socket.ids(1)
        except ConnectionClosed:
            code, _ = await socket.closed()
        cursor = socket.cursor
    assert code == 4200
    assert 0 < len(got) < len(publish.sent["ann"])
    async with notifier.subscribed("ann", cursor=cursor) as again:
        got += await again.ids(len(publish.sent["ann"]) - len(got))
    assert got == publish.sent["ann"]


async def test_a_client_that_stalls_in_a_replay_is_closed(start_notifier: StartNotifier, publish: Publisher) -> None:
    notifier = await start_notifier(stall_seconds=0.5)
    async with notifier.subscribed("ann") as first:
        cursor = first.cursor
    for _ in range(20):
        await publish("ann", 30, name=BIG)
    raw = await open_raw(notifier, f"?cursor={cursor}")
    await until(lambda: notifier.server.connections == 1)
    await until_gone(notifier)
    raw.close()


async def test_a_peer_that_vanished_is_noticed_by_pings(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(ping_seconds=0.3)
    raw = await open_raw(notifier)  # never answers a ping
    await until(lambda: notifier.server.connections == 1)
    await until_gone(notifier)
    raw.close()


async def test_a_stalled_peer_is_let_go_of_when_it_answers_no_ping(
    start_notifier: StartNotifier, publish: Publisher
) -> None:
    """Its buffers are full, so that a connection that is merely closed would wait for ever to be flushed."""
    notifier = await start_notifier(ping_seconds=1, queue_events=10_000, queue_bytes=1_000_000_000)
    raw = await open_raw(notifier)
    await notifier.joined()
    await publish("ann", 500, name=BIG)
    await until_gone(notifier)
    raw.close()


async def test_a_peer_that_answers_pings_stays(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(ping_seconds=0.2)
    async with notifier.subscribed("ann") as socket:
        assert isinstance(socket, Socket)
        await asyncio.sleep(1.5)  # several pings, by the real clock
        await socket.silent()
