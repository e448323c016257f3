from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from heliograph_common.runtime.http_server import BoundedHead, HttpServer


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def after(event: asyncio.Event, begun: asyncio.Event) -> Callable[[Any, Any, Any], Awaitable[None]]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await event.wait()
        await hello(scope, receive, send)

    return app


async def test_port_0_is_a_free_one_and_reported() -> None:
    server = HttpServer("test", hello, host="127.0.0.1", port=0)
    await server.start()
    async with httpx2.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{server.port}/")
    await server.stop(1)

    assert server.port != 0
    assert response.text == "hello"
    assert "server" not in response.headers


async def test_stop_lets_a_request_finish_and_refuses_new_ones() -> None:
    go, begun = asyncio.Event(), asyncio.Event()
    server = HttpServer("test", after(go, begun), host="127.0.0.1", port=0)
    await server.start()
    url = f"http://127.0.0.1:{server.port}/"
    async with httpx2.AsyncClient() as client:
        request = asyncio.create_task(client.get(url))
        await begun.wait()
        stopping = asyncio.create_task(server.stop(20))
        await asyncio.sleep(0.3)  # the listener is closed
        with pytest.raises(httpx2.ConnectError):
            await httpx2.AsyncClient().get(url)
        go.set()
        assert (await request).text == "hello"
    await stopping


async def test_stop_cancels_what_exceeds_the_deadline() -> None:
    begun = asyncio.Event()
    server = HttpServer("test", after(asyncio.Event(), begun), host="127.0.0.1", port=0)
    await server.start()
    async with httpx2.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"http://127.0.0.1:{server.port}/"))
        await begun.wait()
        async with asyncio.timeout(20):
            await server.stop(1)
        with pytest.raises(httpx2.HTTPError):
            (await request).raise_for_status()


async def test_a_taken_port_is_an_error_at_start() -> None:
    first = HttpServer("first", hello, host="127.0.0.1", port=0)
    await first.start()
    with pytest.raises(OSError, match="in use"):
        await HttpServer("second", hello, host="127.0.0.1", port=first.port).start()
    await first.stop(1)


async def test_an_endless_header_is_refused() -> None:
    server = HttpServer("test", hello, host="127.0.0.1", port=0)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx: ")
    answer = asyncio.create_task(reader.read(100))
    for _ in range(1000):
        if answer.done() or writer.is_closing():
            break
        writer.write(b"y" * 4096)
        await asyncio.sleep(0.001)  # byte by byte
    assert (await answer).startswith(b"HTTP/1.1 431 ")
    writer.close()
    await server.stop(1)


class Impatient(BoundedHead):
    """Waits for a head a fraction of a second only."""

    head_seconds = 0.3


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_client_that_does_not_finish_its_head_is_cut(said: bytes) -> None:
    server = HttpServer("test", hello, host="127.0.0.1", port=0, http=Impatient)
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(said)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
            assert (await client.get("/")).status_code == 200
            await asyncio.sleep(0.6)  # an idle connection between requests is not a slow head
            assert (await client.get("/")).status_code == 200
    finally:
        await server.stop(1)
