"""A relay in front of a double: what stands between an importer and a provider, and can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_PIECE = 64 * 1024


class Relay:
    """Passes bytes on to ``upstream``. ``passed``: how many each connection has brought back; ``going``: the numbers
    of those connections that go on."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._server: asyncio.Server | None = None
        self._cut = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self.url = ""
        self.passed: list[int] = []
        self.going: set[int] = set()

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        """Ends all connections and refuses new ones."""
        self._cut.set()  # and not by cancelling: before Python 3.12 the streams of asyncio take that for an error
        if self._server is not None:
            self._server.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*self._connections)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        number = len(self.passed)
        self.passed.append(0)
        self.going.add(number)
        try:
            answers, server = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
            try:
                await self._until_one_ends(self._ask(reader, server), self._answer(answers, client, number))
            finally:
                await _ended(server)
        finally:
            await _ended(client)
            self._connections.discard(task)
            self.going.discard(number)

    async def _until_one_ends(self, *directions: Coroutine[None, None, None]) -> None:
        tasks = [asyncio.create_task(each) for each in (*directions, self._cut_off())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut_off(self) -> None:
        await self._cut.wait()

    async def _ask(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            server.write(piece)
            await server.drain()

    async def _answer(self, answers: asyncio.StreamReader, client: asyncio.StreamWriter, number: int) -> None:
        while piece := await answers.read(_PIECE):
            client.write(piece)
            await client.drain()
            self.passed[number] += len(piece)
        client.close()  # what is still to be sent arrives
        with suppress(ConnectionError):
            await client.wait_closed()


async def _ended(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def relayed(upstream: str) -> AsyncIterator[Relay]:
    """A relay to the server at ``upstream``."""
    relay = Relay(upstream)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.cut()
