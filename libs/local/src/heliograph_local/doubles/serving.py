"""Serves a double on loopback: within a test's own loop, or as a process (``__main__``)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """Ends at once where nobody is connected: uvicorn's own looks each 0.1 s whether it is to end, and then waits as long
    again. Hundreds of tests have a double of their own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening, self.ending = asyncio.Event(), asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        while not self.ending.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                async with asyncio.timeout(1):  # the date in the headers is of this second
                    await self.ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:
            for server in self.servers:
                server.close()


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The base URL under which ``app`` answers while the block runs."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen(512)
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        server = _Server(config)
        task = asyncio.create_task(server._serve([listening]))  # noqa: SLF001 - serve() takes over signals
        ready = asyncio.create_task(server.listening.wait())
        try:
            await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
            yield f"http://{HOST}:{listening.getsockname()[1]}"
        finally:
            ready.cancel()
            server.ending.set()
            await task
