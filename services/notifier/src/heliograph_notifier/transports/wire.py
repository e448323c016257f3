"""Two uvicorn protocols with what ASGI has no words for.

A WebSocket here takes frames that were made once for everyone, says at once whether the peer keeps up, and is aborted when
a peer does not read even its close frame: a transport that is merely closed waits for ever to flush what was written, and
that is memory. Keepalive pings are uvicorn's. Built on ``uvicorn.protocols`` as of 0.54; tests hold each override to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from heliograph_common.runtime.http_server import BoundedHead

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

WIRE = "heliograph.wire"
"""Key in a WebSocket scope's extensions under which the application finds the ``Wire``."""
TRANSPORT = "transport"
"""Key in a scope's state under which the application finds the asyncio transport."""


def _ignore() -> None:
    return


class Wire(WebSocketsSansIOProtocol):
    """One WebSocket. ``on_writable`` is called when a peer that lagged has caught up."""

    abort_seconds: ClassVar[float] = 5.0
    on_writable: Callable[[], None] = staticmethod(_ignore)

    def write(self, frame: bytes) -> bool:
        """Hands over whole, unmasked frames; ``False`` when the peer must read first. On a socket that is closing they
        are dropped."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return True
        if not self.writable.is_set():
            return False
        self.transport.write(frame)
        return True

    def shut(self, code: int, reason: str) -> None:
        """Sends a close frame, also to a peer that lags, and aborts the connection if it is not answered in time.
        ``reason`` is cut to what a close frame holds (RFC 6455 section 5.5: 123 bytes)."""
        if self.close_sent or self.disconnected or not self.handshake_complete or self.transport.is_closing():
            return
        reason = reason.encode()[:123].decode(errors="ignore")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.abort_seconds, self.transport.abort)

    def forget_handshake(self) -> None:
        """Drops what was only needed until the handshake was accepted."""
        del self.request, self.response

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer. To a handshake that cannot be read (a header of more than 8 KiB) ``websockets`` has an answer,
        which uvicorn forgets to send, and then waits for ever."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    async def run_asgi(self) -> None:
        """Runs the application with this object in its scope."""
        cast("dict[str, Any]", self.scope["extensions"])[WIRE] = self
        await super().run_asgi()

    async def send(self, message: ASGISendEvent) -> None:
        """What the application sends; a handshake that it refused with a response counts as complete, which uvicorn
        forgets and then reports as the application's error."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    def resume_writing(self) -> None:
        """Called by the transport when its buffer is low."""
        super().resume_writing()
        self.on_writable()

    def keepalive_timeout(self) -> None:
        """No pong came: what is still to be written will not be read."""
        super().keepalive_timeout()
        self.loop.call_later(self.abort_seconds, self.transport.abort)

    def shutdown(self) -> None:
        """Called by uvicorn when it stops: what is left is not waited for."""
        super().shutdown()
        self.loop.call_later(self.abort_seconds, self.transport.abort)


class Http(BoundedHead):
    """HTTP, whose scope's state carries the transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when a connection is made."""
        self.app_state = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)
