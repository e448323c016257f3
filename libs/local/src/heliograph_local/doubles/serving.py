"""Serves a double on loopback: within a test's own loop, or as a process (``__main__``)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

HOST = "127.0.0.1"


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The base URL under which ``app`` answers while the block runs."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen(512)
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server._serve([listening]))  # noqa: SLF001 - serve() takes over signals
        try:
            while not server.started and not task.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # uvicorn sets a flag and nothing else
            yield f"http://{HOST}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
