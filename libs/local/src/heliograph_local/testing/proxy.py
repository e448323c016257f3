"""A TCP proxy before a server that can stop forwarding without closing anything, as a network does that drops packets.

A peer that asks through a proxy at a standstill gets no answer and no reset. In one thing it is gentler than a real drop:
the kernel still completes handshakes and acknowledges what was sent, so only limits of the asking program end the wait,
not those of its TCP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from heliograph_local.ports import HOST

_CHUNK = 65_536


class TcpProxy:
    """Forwards connections to the port of this machine that ``upstream`` gives, which is asked at each connection, so that
    there can be a proxy before there is a server. It listens on ``port`` for as long as it is entered."""

    def __init__(self, upstream: Callable[[], int]) -> None:
        self._upstream = upstream
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
        """Forwards nothing from now on, in no direction, and no one's end; connections stay open, and new ones are accepted
        and get no answer."""
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
                beyond, to = await asyncio.open_connection(HOST, self._upstream())
                await asyncio.gather(self._pump(reader, to), self._pump(beyond, writer))
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                chunk = await reader.read(_CHUNK)
                await self._forwarding.wait()  # what was read before the standstill waits as well
                if not chunk:
                    break
                writer.write(chunk)
                await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()
