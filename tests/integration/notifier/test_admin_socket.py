"""``/api/ws/admin``: the old system's frames, over a real NATS; tokens, limits and drain are those of the other sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import msgspec
import pytest
from tests.contracts import compat
from tests.contracts.make_samples import samples
from tests.integration.notifier.support import (
    Notifier,
    Publisher,
    Socket,
    StartNotifier,
    admin_socket,
    drops,
    tell,
    token,
)
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.typing import Origin

from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.messages import Event, ImageFailed

ADMIN = ("admin",)


@asynccontextmanager
async def watching(notifier: Notifier, subject: str = "root", **options: Any) -> AsyncIterator[Socket]:
    """An administrator's socket that is sent events."""
    already = notifier.live
    async with admin_socket(notifier, token(subject, scopes=ADMIN), **options) as socket:
        assert (await socket.receive())["type"] == "connection_established"
        await notifier.joined(already + 1)
        yield socket


async def refusal(notifier: Notifier, bearer: str | None = None, query: str = "", **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        async with admin_socket(notifier, bearer, query, **options):
            pass
    response = refused.value.response
    problem = json.loads(response.body)
    assert problem["status"] == response.status_code
    return response.status_code, problem["detail"]


async def test_the_four_events_of_all_owners_in_the_old_shape(notifier: Notifier, bus: Bus) -> None:
    async with admin_socket(notifier, token("root", scopes=ADMIN)) as socket:
        assert socket.connection.subprotocol is None
        compat.check("socket_established", await socket.receive())
        await notifier.joined()
        for owner in ("ann", "bob"):
            await tell(bus, owner, *(body for body in samples() if isinstance(body, Event)))
        frames = [await socket.receive() for _ in range(8)]
    for four in (frames[:4], frames[4:]):
        names = ["thumbnail_complete", "variant_complete", "complete", "failed"]
        assert [frame["type"] for frame in four] == [f"image:processing:{name}" for name in names]
        for name, frame in zip(names, four, strict=True):
            compat.check(f"socket_{name}", frame)


async def test_token_in_the_first_frame(notifier: Notifier, publish: Publisher) -> None:
    async with admin_socket(notifier) as socket:
        await socket.connection.send(json.dumps({"type": "auth", "token": token("root", scopes=ADMIN)}))
        assert (await socket.receive())["type"] == "connection_established"
        await notifier.joined()
        await publish("ann")
        assert (await socket.receive())["type"] == "image:processing:complete"


async def test_nothing_comes_before_the_token(start_notifier: StartNotifier, publish: Publisher) -> None:
    notifier = await start_notifier(auth_seconds=0.5)
    async with admin_socket(notifier) as silent, admin_socket(notifier) as early, admin_socket(notifier) as garbled:
        await publish("ann")
        await early.connection.send('{"type": "heartbeat"}')
        await garbled.connection.send("hello")
        assert (await early.closed())[0] == 4001
        assert (await garbled.closed())[0] == 4000
        assert (await silent.closed())[0] == 4008
        for socket in (silent, early, garbled):
            with pytest.raises(ConnectionClosedError):  # and no frame that waited to be read
                await socket.connection.recv()


async def test_only_administrators(notifier: Notifier) -> None:
    ann = token("ann", scopes=["images:read", "images:write"])
    status, detail = await refusal(notifier, ann)
    assert (status, "admin" in detail) == (403, True)
    async with admin_socket(notifier) as socket:
        await socket.connection.send(json.dumps({"type": "auth", "token": ann}))
        assert (await socket.closed())[0] == 4003
    assert (await refusal(notifier, "not.a.token"))[0] == 401
    async with admin_socket(notifier) as socket:
        await socket.connection.send('{"type": "auth", "token": "not.a.token"}')
        assert (await socket.closed())[0] == 4001


async def test_no_token_in_the_url_and_no_foreign_origin(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(origins=["https://old.example"])
    root = token("root", scopes=ADMIN)
    assert (await refusal(notifier, root, f"?token={root}"))[0] == 400
    assert (await refusal(notifier, root, origin=Origin("https://evil.example")))[0] == 403
    async with admin_socket(notifier, root, origin=Origin("https://old.example")) as socket:
        assert (await socket.receive())["type"] == "connection_established"


async def test_expiry_renewal_and_frames_that_mean_nothing(notifier: Notifier, publish: Publisher) -> None:
    short = token("root", scopes=ADMIN, lifetime=timedelta(seconds=2))
    async with admin_socket(notifier, short) as renewed, admin_socket(notifier, short) as expiring:
        await renewed.receive()
        for frame in ({"type": "heartbeat"}, {"type": "send_command", "command": "next"}):
            await renewed.connection.send(json.dumps(frame))
        await renewed.connection.send("{")
        assert await renewed.receive() == {"type": "error", "message": "Invalid JSON format"}
        await renewed.connection.send(json.dumps({"type": "auth", "token": token("root", scopes=ADMIN)}))
        await expiring.receive()
        assert (await expiring.closed())[0] == 4002
        await asyncio.sleep(0.5)  # time to close the others, which would be wrong
        await publish("bob")
        assert (await renewed.receive())["type"] == "image:processing:complete"  # and not established a second time
        await renewed.connection.send(json.dumps({"type": "auth", "token": token("eve", scopes=ADMIN)}))
        assert (await renewed.closed())[0] == 4003


async def test_limits_are_those_of_the_other_sockets(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(per_principal=1, total=2, frames_per_minute=3)
    async with watching(notifier) as socket:
        async with admin_socket(notifier, token("root", scopes=ADMIN)) as second:
            assert (await second.closed())[0] == 1013
        async with watching(notifier, "other"), admin_socket(notifier, token("third", scopes=ADMIN)) as third:
            assert (await third.closed())[0] == 1013
        for _ in range(4):
            await socket.connection.send('{"type": "heartbeat"}')
        assert (await socket.closed())[0] == 1008


async def test_a_slow_page_is_closed(start_notifier: StartNotifier, bus: Bus) -> None:
    notifier = await start_notifier(queue_events=20, abort_seconds=10)
    failed = next(body for body in samples() if isinstance(body, ImageFailed))
    failed = msgspec.structs.replace(failed, reason="x" * 20_000)  # so that kernel buffers fill after few of them
    async with watching(notifier, max_queue=1) as slow:
        before = drops()
        async with asyncio.timeout(60):
            while drops() == before:
                await tell(bus, "ann", *(failed for _ in range(30)))
        with contextlib.suppress(ConnectionClosedError):
            while True:
                assert (await slow.receive())["type"] == "image:processing:failed"
        assert (await slow.closed())[0] == 4200


async def test_draining(notifier: Notifier) -> None:
    async with watching(notifier) as socket:
        stopping = asyncio.create_task(notifier.server.stop(5))
        assert (await socket.closed())[0] == 1012
        await stopping


async def test_it_is_a_socket_and_can_be_turned_off(start_notifier: StartNotifier) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        notifier = await start_notifier()
        answer = await client.get(f"http://127.0.0.1:{notifier.port}/api/ws/admin")
        assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    without = await start_notifier(old_clients=False)
    assert (await refusal(without, token("root", scopes=ADMIN)))[0] == 404
