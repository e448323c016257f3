"""A small HTTP/1.1 client: one connection, one request at a time, kept open.

It costs little, so that on a machine of two cores the server is what is measured. Knows Content-Length only, not chunks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Connection:
    """Opened by ``connect``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str], body: Sequence[bytes | memoryview] = ()
    ) -> tuple[int, bytes]:
        """Sends ``body`` piece by piece; returns status and body of the answer. Raises ``OSError`` or ``EOFError``."""
        length = sum(len(piece) for piece in body)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        for piece in body:
            self._writer.write(piece)
            await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        size = next((int(line[15:]) for line in head if line.lower().startswith("content-length:")), 0)
        return int(head[0].split(" ", 2)[1]), await self._reader.readexactly(size)


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Connection]:
    """A connection to the host of ``url``."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 20)
    try:
        yield Connection(reader, writer, address.netloc)
    finally:
        writer.close()
