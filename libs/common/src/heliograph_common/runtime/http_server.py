"""An ASGI application by uvicorn, as a component inside our event loop: our signals, our deadline, our sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

KEEP_ALIVE_SECONDS = 75
"""Longer than usual proxies keep idle connections (60 s), so that it is they who close them."""
BACKLOG = 2048
HEAD_BYTES = 64 * 1024
"""Request line and headers, beyond what came with the first read."""
HEAD_SECONDS = 20
"""Time for request line and headers, from the connection or from their first byte."""
FRAME_BYTES = 64 * 1024
"""WebSocket frames of clients: only control frames come in."""

_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone: ``lifecycle`` handles them for all components."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class BoundedHead(HttpToolsProtocol):
    """httptools keeps an endless header in memory, and waits for a slow one for ever; this one refuses both."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    _in_head = False
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        continued = self._in_head
        super().data_received(data)
        if continued and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        if self._head_timer is None:  # not the first request of the connection
            self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def _await_head(self) -> None:
        """Cuts a client that connects and says nothing, or trickles its headers."""
        self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class HttpServer:
    """Serves ``app`` from ``start`` to ``stop``. Port 0 takes a free one; ``port`` has it after ``start``.

    ``options`` are uvicorn's own, such as ``ws_ping_interval``; ``http`` is ``BoundedHead`` or a subclass of it.
    """

    def __init__(
        self,
        name: str,
        app: Any,
        *,
        host: str,
        port: int,
        http: type[BoundedHead] = BoundedHead,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        defaults: dict[str, Any] = {"ws": "websockets-sansio", "ws_max_size": FRAME_BYTES}
        self._config = uvicorn.Config(
            app,
            interface="asgi3",
            http=http,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            backlog=BACKLOG,
            **(defaults | dict(options or {})),
        )
        self._server = _Server(self._config)
        self._task: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """Open TCP connections, those included that are closing but whose peer does not take it in."""
        return len(self._server.server_state.connections)

    async def start(self) -> None:
        """Binds and listens; raises ``OSError`` when the address is taken."""
        listener = _bind(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name=f"http-{self.name}")
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({listening, self._task}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._task.done():
            await self._task
        log.info("listening", server=self.name, host=self.host, port=self.port)

    async def stop(self, deadline_seconds: float) -> None:
        """Takes no more connections, lets requests finish for ``deadline_seconds``, then cancels them."""
        if self._task is None:
            return
        self._config.timeout_graceful_shutdown = max(1, int(deadline_seconds))
        self._server.should_exit = True
        await self._task

    async def died(self) -> None:
        """Returns when the server ended; raises what ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
