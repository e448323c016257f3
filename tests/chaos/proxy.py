"""A TCP proxy that can stop forwarding without closing anything, as a network does that drops packets.

A peer that asks through a proxy at a standstill gets no answer and no reset. In one thing it is gentler than a real drop:
the kernel still completes handshakes and acknowledges what was sent, so only limits of the asking program end the wait,
not those of its TCP. ``network.py`` adds the real drop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

_HOST = "127.0.0.1"
_BLOCK = 1 << 16


class Proxy:
    """One listener before one server. ``upstream`` gives the server's port and is asked at each connection, so that the
    proxy can be made before the server."""

    def __init__(self, upstream: Callable[[], int]) -> None:
        self._upstream = upstream
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, _HOST, 0, limit=_BLOCK)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def stall(self) -> None:
        """Forwards nothing from now on, in no direction, and notices no one's end."""
        self._open.clear()

    def resume(self) -> None:
        """Forwards what was held back, and all else."""
        self._open.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            await self._open.wait()
            back_reader, back_writer = await asyncio.open_connection(_HOST, self._upstream(), limit=_BLOCK)
            with contextlib.closing(back_writer):
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._pump(reader, back_writer))
                    pumps.create_task(self._pump(back_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one side ends, which ends both, as it would for a peer that is gone."""
        try:
            while True:
                await self._open.wait()
                data = await reader.read(_BLOCK)
                await self._open.wait()  # what was read before the standstill waits as well
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()
