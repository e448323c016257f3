"""Handshakes that no library sends, found by ``make conformance``."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.notifier.support import Notifier, token
from tests.polling import until

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: heliograph.v1\r\n{headers}\r\n"
)


async def answer(notifier: Notifier, headers: str, path: str = "/v1/events") -> str:
    """The status line of a handshake that is not taken; the server must close the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", notifier.port)
    writer.write(_HANDSHAKE.format(path=path, headers=headers).encode())
    async with asyncio.timeout(10):
        told = await reader.read()
    writer.close()
    await writer.wait_closed()
    return told.partition(b"\r\n")[0].decode()


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        (f"Authorization: Bearer {'a' * 9000}\r\n", "/v1/events", "431 Request Header Fields Too Large"),
        ("X: y\r\n" * 200, "/v1/events", "431 Request Header Fields Too Large"),
        ("", f"/v1/events?types={'a' * 9000}", "414 Request-URI Too Long"),
    ],
    ids=["a long header", "many headers", "a long address"],
)
async def test_a_handshake_that_cannot_be_read_is_answered_and_closed(
    notifier: Notifier, headers: str, path: str, status: str
) -> None:
    assert (await answer(notifier, headers, path)).split(" ", 2)[:2] == ["HTTP/1.1", status[:3]]
    await until(lambda: not notifier.server.connections, 10)


@pytest.mark.parametrize("tokens", [("ann", "ann"), ("ann", ""), ("", "ann")])
async def test_two_tokens_are_none(notifier: Notifier, tokens: tuple[str, str]) -> None:
    headers = "".join(f"Authorization: Bearer {token(owner) if owner else 'x'}\r\n" for owner in tokens)
    assert (await answer(notifier, headers)).startswith("HTTP/1.1 401 ")
