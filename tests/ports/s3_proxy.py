"""A proxy in front of a real S3 server that does something else with the requests that a test picks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Fault = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""Gets the client's connection and what the server answered, and answers as it likes; the connection is closed after it."""


def refused(status: int, code: str) -> Fault:
    """An answer of S3 that is an error."""

    async def answer(client: asyncio.StreamWriter, _: bytes) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>the test says so</Message></Error>".encode()
        head = f"HTTP/1.1 {status} No\r\ncontent-type: application/xml\r\ncontent-length: {len(body)}\r\n"
        client.write(head.encode() + b"connection: close\r\n\r\n" + body)

    return answer


async def cut_off(client: asyncio.StreamWriter, answered: bytes) -> None:
    """Half of the body."""
    head, _, body = answered.partition(b"\r\n\r\n")
    client.write(head + b"\r\n\r\n" + body[: len(body) // 2])


async def nothing(client: asyncio.StreamWriter, answered: bytes) -> None:
    """No answer at all: the connection is closed."""


async def other_bytes(client: asyncio.StreamWriter, answered: bytes) -> None:
    """A body of the same length."""
    head, _, body = answered.partition(b"\r\n\r\n")
    client.write(head + b"\r\n\r\n" + bytes(255 - byte for byte in body))


@dataclass
class S3Proxy:
    """``pick``: which fault a request (its method and path) meets; ``requests``: all that came. While ``hold`` is clear,
    requests of the methods in ``held`` wait before they reach the server; ``holding`` is set once one does."""

    upstream: str
    endpoint: str = ""
    pick: Callable[[str, str], Fault | None] = lambda method, path: None
    held: frozenset[str] = frozenset()
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    passed: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[tuple[str, str]] = field(default_factory=list)
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """One request of one connection."""
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        try:
            await self._answer(reader, client)
        finally:
            self.connections.discard(task)
            client.close()

    async def _answer(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self.requests.append((method, path.partition("?")[0]))
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
            if method in self.held:
                self.holding.set()
                await self.hold.wait()
            fault = self.pick(method, path)
            answered = await self._forward(head, body)
            if fault is None:
                client.write(answered)
            else:
                await fault(client, answered)
            if method in self.held:
                self.passed.set()
            client.close()
            await client.wait_closed()

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        address = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        kept = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))]
        try:
            writer.write(b"\r\n".join([*kept, b"Connection: close", b"", b""]) + body)
            return await reader.read(-1)
        finally:
            writer.close()


@asynccontextmanager
async def proxied(upstream: str) -> AsyncIterator[S3Proxy]:
    """A proxy in front of the server at ``upstream``."""
    proxy = S3Proxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        proxy.hold.set()
        server.close()
        # Whoever is still answered: a loop that ends under them would warn in another test.
        async with asyncio.timeout(10):
            await asyncio.gather(*proxy.connections, return_exceptions=True)
