"""A TCP proxy before a server, for tests of what happens when that is there and does not answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType

from heliograph_local.ports import HOST

_CHUNK = 65_536


class TcpProxy:
    """Forwards connections to ``port`` of this machine; ``port`` of its own is free for as long as it is entered."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._forwarding = asyncio.Event()
        self._forwarding.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> TcpProxy:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def pause(self) -> None:
        """Forwards nothing from now on; connections stay open, and new ones are accepted and get no answer."""
        self._forwarding.clear()

    def resume(self) -> None:
        """Forwards again, and first what has come meanwhile."""
        self._forwarding.set()

    def drop(self) -> None:
        """Resets all connections that there are."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):  # cancelled at the end, which asyncio would log as an error
                await self._forwarding.wait()
                beyond, to = await asyncio.open_connection(HOST, self._to)
                await asyncio.gather(self._pump(reader, to), self._pump(beyond, writer))
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while chunk := await reader.read(_CHUNK):
                await self._forwarding.wait()
                writer.write(chunk)
                await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
