"""The listening socket and uvicorn, as a component that drains its clients before it stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn

from heliograph_common.settings import HttpSettings
from heliograph_common.telemetry.asgi import App as AsgiApp
from heliograph_notifier.drain import drain
from heliograph_notifier.hub import Hub
from heliograph_notifier.protocol import Http, Wire
from heliograph_notifier.settings import SocketSettings

_STOP_SECONDS = 3.0
_BACKLOG = 2048


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the runtime's."""
        yield


class EventServer:
    """Serves ``app``. ``port`` is the one it listens on, also where the settings ask for any (0)."""

    name = "events"

    def __init__(self, app: AsgiApp, hub: Hub, http: HttpSettings, sockets: SocketSettings) -> None:
        self._hub = hub
        self._http = http
        self._sockets = sockets
        wire = type("ConfiguredWire", (Wire,), {"abort_seconds": sockets.abort_seconds})
        self._server = _Server(
            uvicorn.Config(
                app,
                http=Http,
                ws=wire,
                lifespan="off",
                log_config=None,
                log_level="warning",  # else three lines a socket, beside the one of telemetry
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws_max_size=sockets.frame_bytes,
                ws_ping_interval=sockets.ping_seconds,
                ws_ping_timeout=sockets.ping_seconds,
                ws_per_message_deflate=False,  # frames are shared by all clients, and a deflate context is 64 KiB each
                timeout_graceful_shutdown=int(_STOP_SECONDS),
                backlog=_BACKLOG,
            )
        )
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    @property
    def connections(self) -> int:
        """Open TCP connections, those included that are closing but whose peer does not take it in."""
        return len(self._server.server_state.connections)

    async def died(self) -> None:
        """Returns when the server ended; raises what ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def start(self) -> None:
        """Listens."""
        family = socket.AF_INET6 if ":" in self._http.host else socket.AF_INET
        listener = socket.create_server((self._http.host, self._http.port), family=family, backlog=_BACKLOG)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="events-server")
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.005)

    async def stop(self, deadline: float) -> None:
        """Drains within ``deadline`` seconds, then stops listening."""
        sockets = self._sockets
        await drain(
            self._hub,
            notice=sockets.drain_notice_seconds,
            spread=sockets.drain_spread_seconds,
            deadline=max(deadline - _STOP_SECONDS, 0.1),
        )
        self._server.should_exit = True
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
