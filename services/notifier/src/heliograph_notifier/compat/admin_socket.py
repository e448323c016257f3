"""``/api/ws/admin``: the socket of the pages that watched the system which Heliograph replaces, for administrators.

It sends that system's frames (``admin_events``): ``connection_established``, then the four events of all owners from now on.
There were no cursors: whoever was away reads the state from the HTTP API. That system asked nobody who they were; here the
token comes in the ``Authorization`` header or in the first frame, ``{"type": "auth", "token": …}``. Limits, close codes and
draining are those of ``/v1/events``.
"""

from __future__ import annotations

from uuid import uuid4

import msgspec
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from heliograph_common.auth.principal import ADMIN, Principal
from heliograph_common.clock import rfc3339, utc_now
from heliograph_notifier.compat.admin_events import OLD_TYPES, admin_event
from heliograph_notifier.fanout.filters import Filter
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.protocol.frames import Event, text_frame
from heliograph_notifier.protocol.vocabulary import FilterRequest
from heliograph_notifier.transports.admission import Admission
from heliograph_notifier.transports.handshake import check_origin, check_url, principal_of
from heliograph_notifier.transports.session import Session
from heliograph_notifier.transports.websocket import WebSocketClient
from heliograph_notifier.transports.wire import WIRE, Wire

ADMIN_PATH = "/api/ws/admin"

_WANTED = Filter(FilterRequest(types=list(OLD_TYPES), all_owners=True))
_NO_JSON = text_frame(msgspec.json.encode({"type": "error", "message": "Invalid JSON format"}))


class _Frame(msgspec.Struct):
    """What clients send; of all types only ``auth`` means something here, and only to it a token belongs."""

    type: str = ""
    token: str = ""


_decoder = msgspec.json.Decoder(_Frame)


class AdminClient(WebSocketClient):
    """A client that is sent the old frames, and no control frames."""

    def encode(self, event: Event) -> bytes:
        """The frame that all these sockets share."""
        return event.form(admin_frame)


async def serve_admin_socket(scope: Scope, receive: Receive, send: Send, admission: Admission) -> None:
    """Serves one WebSocket.

    Raises:
        Problem: the handshake is answered with a problem instead.
    """
    await receive()  # websocket.connect
    principal = await _check(HTTPConnection(scope), admission)
    wire: Wire = scope["extensions"][WIRE]
    client = AdminClient(wire, admission.limits, controls=False)
    await send({"type": "websocket.accept"})
    scope["headers"] = []
    wire.forget_handshake()
    if not admission.enter(client):
        return
    session = _AdminSession(client, admission, scope=ADMIN)
    try:
        if principal is not None:
            session.authenticated(principal)
        await session.converse(receive)
    finally:
        session.end()


async def _check(request: HTTPConnection, admission: Admission) -> Principal | None:
    check_url(request.query_params)
    check_origin(request.headers, admission.settings.origins)
    return await principal_of(request.headers, admission.verifier, scope=ADMIN)


class _AdminSession(Session):
    """The conversation on one accepted socket."""

    async def converse(self, receive: Receive) -> None:
        """Handles frames until the socket is closed."""
        while not self._client.closed:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            if not self.too_many():
                await self._handle(message.get("text"))

    def authenticated(self, principal: Principal) -> bool:
        """Starts the events as well, with the first token."""
        first = self._principal is None
        stays = super().authenticated(principal)
        if stays and first:
            self._client.send(_established())
            self.follow(_WANTED)
        return stays

    async def _handle(self, text: str | None) -> None:
        try:
            frame = _decoder.decode(text or "")
        except msgspec.DecodeError:
            if self._principal is None:
                self._client.close(CloseCode.BAD_FRAME, 'The first frame must be {"type": "auth", "token": "…"}.')
            else:
                self._client.send(_NO_JSON)
            return
        if frame.type == "auth":
            await self.authenticate(frame.token)
        elif self._principal is None:
            self._client.close(CloseCode.UNAUTHENTICATED, 'The first frame must be {"type": "auth", "token": "…"}.')


def admin_frame(event: Event) -> bytes:
    """The event as these sockets are sent it."""
    told = msgspec.json.decode(event.payload)
    return text_frame(admin_event(event.type, told["time"], told["data"]))


def _established() -> bytes:
    """That system's first frame. It served displays beside pages, and named those that were connected: none here."""
    told = {
        "type": "connection_established",
        "connection_id": str(uuid4()),
        "connected_devices": [],
        "timestamp": rfc3339(utc_now()),
    }
    return text_frame(msgspec.json.encode(told))
