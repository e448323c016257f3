"""The server of clients, as a component that drains them before it stops."""

from __future__ import annotations

from heliograph_common.runtime.http_server import HttpServer
from heliograph_common.settings import HttpSettings
from heliograph_common.telemetry.asgi import App as AsgiApp
from heliograph_notifier.fanout.drain import drain
from heliograph_notifier.fanout.hub import Hub
from heliograph_notifier.settings import SocketSettings
from heliograph_notifier.transports.wire import Http, Wire

_STOP_SECONDS = 3.0


class EventServer:
    """Serves ``app``. ``port`` is the one it listens on, also where the settings ask for any (0)."""

    name = "events"

    def __init__(self, app: AsgiApp, hub: Hub, http: HttpSettings, sockets: SocketSettings) -> None:
        self._hub = hub
        self._sockets = sockets
        self._server = HttpServer(
            self.name,
            app,
            host=http.host,
            port=http.port,
            http=Http,
            options={
                "ws": type("ConfiguredWire", (Wire,), {"abort_seconds": sockets.abort_seconds}),
                "ws_max_size": sockets.frame_bytes,
                "ws_ping_interval": sockets.ping_seconds,
                "ws_ping_timeout": sockets.ping_seconds,
                # Frames are shared by all clients, and a deflate context is 64 KiB each.
                "ws_per_message_deflate": False,
            },
        )

    @property
    def port(self) -> int:
        """The port it listens on, after ``start``."""
        return self._server.port

    @property
    def connections(self) -> int:
        """Open TCP connections, those included that are closing but whose peer does not take it in."""
        return self._server.connections

    async def died(self) -> None:
        """Returns when the server ended; raises what ended it."""
        await self._server.died()

    async def start(self) -> None:
        """Listens."""
        await self._server.start()

    async def stop(self, deadline_seconds: float) -> None:
        """Drains within ``deadline_seconds``, then stops listening."""
        sockets = self._sockets
        await drain(
            self._hub,
            notice=sockets.drain_notice_seconds,
            spread=sockets.drain_spread_seconds,
            deadline=max(deadline_seconds - _STOP_SECONDS, 0.1),
        )
        await self._server.stop(_STOP_SECONDS)
