"""A WebSocket from handshake to close: subprotocols ``cloudevents.json`` (events, nothing else; the token must come in
the ``Authorization`` header, which browsers cannot set) and ``heliograph.v1`` (the same events, and control frames; the
token may come in the first frame)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from heliograph_common.auth.principal import IMAGES_READ, Principal
from heliograph_common.http.bearer import unauthenticated
from heliograph_common.http.problems import Problem, sentence
from heliograph_notifier.fanout.client import Client, QueueLimits
from heliograph_notifier.fanout.filters import Filter
from heliograph_notifier.protocol.codes import CloseCode, reset_reason
from heliograph_notifier.protocol.cursor import Cursor
from heliograph_notifier.protocol.frames import Event, text_frame
from heliograph_notifier.protocol.vocabulary import (
    Auth,
    AuthOk,
    Draining,
    Error,
    FromClient,
    FromServer,
    Narrow,
    Ping,
    Pong,
    Ready,
    Reset,
    ResetReason,
    Subscribe,
)
from heliograph_notifier.transports.admission import Admission
from heliograph_notifier.transports.handshake import check_origin, check_url, cursor_of, filter_of, principal_of
from heliograph_notifier.transports.problems import BAD_REQUEST, CHALLENGE
from heliograph_notifier.transports.session import Session
from heliograph_notifier.transports.wire import WIRE, Wire

CLOUDEVENTS = "cloudevents.json"
HELIOGRAPH = "heliograph.v1"


_decoder = msgspec.json.Decoder(FromClient)


class WebSocketClient(Client):
    """A client behind a ``Wire``; ``controls``: its subprotocol has control frames."""

    transport = "websocket"

    def __init__(self, wire: Wire, limits: QueueLimits, *, controls: bool) -> None:
        super().__init__(limits)
        self._wire = wire
        self._controls = controls
        wire.on_writable = self.flush

    def encode(self, event: Event) -> bytes:
        """The frame that all WebSockets share."""
        return event.frame

    def write(self, data: bytes) -> bool:
        """Straight to the transport."""
        return self._wire.write(data)

    def shut(self, code: CloseCode, reason: str) -> None:
        """Sends the close frame."""
        self._wire.shut(code, reason)

    def tell(self, frame: FromServer) -> None:
        """Sends a control frame, where the subprotocol has them."""
        if self._controls:
            self.send(text_frame(msgspec.json.encode(frame)))

    def tell_ready(self, cursor: Cursor) -> None:
        """``ready``"""
        self.tell(Ready(cursor=str(cursor)))

    def tell_draining(self, milliseconds: int) -> None:
        """``draining``"""
        self.tell(Draining(reconnect_in_ms=milliseconds))

    def tell_reset(self, reason: ResetReason, cursor: Cursor) -> None:
        """``reset``, or the close code that says the same."""
        if self._controls:
            self.tell(Reset(reason=reason, cursor=str(cursor)))
        else:
            self.close(CloseCode.RESET, reset_reason(reason, str(cursor)))


@dataclass(frozen=True, slots=True)
class _Handshake:
    """What a handshake asks for, checked."""

    subprotocol: str
    principal: Principal | None
    filter: Filter
    cursor: str | None


async def serve_websocket(scope: Scope, receive: Receive, send: Send, admission: Admission) -> None:
    """Serves one WebSocket.

    Raises:
        Problem: the handshake is answered with a problem instead.
    """
    await receive()  # websocket.connect
    handshake = await _check(HTTPConnection(scope), scope["subprotocols"], admission)
    wire: Wire = scope["extensions"][WIRE]
    client = WebSocketClient(wire, admission.limits, controls=handshake.subprotocol == HELIOGRAPH)
    await send({"type": "websocket.accept", "subprotocol": handshake.subprotocol})
    scope["headers"] = []  # a quarter of a socket's memory, for hours
    wire.forget_handshake()
    if not admission.enter(client):
        return
    session = _Session(client, admission, handshake.cursor)
    try:
        if handshake.principal is not None:
            session.authenticated(handshake.principal)
        if handshake.subprotocol == CLOUDEVENTS:
            session.subscribe(handshake.filter)
            await session.only_listen(receive)
        else:
            await session.converse(receive)
    finally:
        session.end()


async def _check(request: HTTPConnection, subprotocols: Sequence[str], admission: Admission) -> _Handshake:
    check_url(request.query_params)
    check_origin(request.headers, admission.settings.origins)
    subprotocol = next((name for name in subprotocols if name in {CLOUDEVENTS, HELIOGRAPH}), None)
    if subprotocol is None:
        raise Problem(BAD_REQUEST, f"Request the WebSocket subprotocol `{HELIOGRAPH}` or `{CLOUDEVENTS}`.")
    principal = await principal_of(request.headers, admission.verifier, scope=IMAGES_READ)
    wanted = filter_of(request.query_params)
    if subprotocol == CLOUDEVENTS:
        if principal is None:
            raise unauthenticated(
                f"`{CLOUDEVENTS}` requires a token in the `Authorization` header. Browsers, which cannot set it, use "
                f"`{HELIOGRAPH}` and send the token in the first frame.",
                challenge=CHALLENGE,
            )
        admission.check_filter(principal, wanted)
    return _Handshake(subprotocol, principal, wanted, cursor_of(request))


class _Session(Session):
    """The conversation on one accepted socket. ``cursor``: of the URL, for the first subscription."""

    _client: WebSocketClient

    def __init__(self, client: WebSocketClient, admission: Admission, cursor: str | None) -> None:
        super().__init__(client, admission, scope=IMAGES_READ)
        self._cursor = cursor

    async def only_listen(self, receive: Receive) -> None:
        """``cloudevents.json``: clients have nothing to say."""
        message = await receive()
        if message["type"] == "websocket.receive":
            self._client.close(
                CloseCode.BAD_FRAME, f"`{CLOUDEVENTS}` does not accept frames from clients. Use `{HELIOGRAPH}`."
            )

    async def converse(self, receive: Receive) -> None:
        """``heliograph.v1``: handles frames until the socket is closed."""
        while not self._client.closed:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            await self._handle(message.get("text"))

    def authenticated(self, principal: Principal) -> bool:
        """Says so as well."""
        stays = super().authenticated(principal)
        if stays:
            self._client.tell(AuthOk(subject=principal.subject, expires_at=principal.expires_at))
        return stays

    def subscribe(self, wanted: Filter, cursor: str | None = None) -> None:
        """Starts the events, again where they have started already."""
        cursor, self._cursor = cursor or self._cursor, None
        self.follow(wanted, cursor)

    async def _handle(self, text: str | None) -> None:
        if self.too_many():
            return
        try:
            frame = _decoder.decode(text or "")
        except msgspec.DecodeError as error:
            self._wrong(sentence(f"invalid `{HELIOGRAPH}` frame: {error}"))
            return
        if isinstance(frame, Auth):
            await self.authenticate(frame.token)
        elif isinstance(frame, Ping):
            # Through the queue, so that the cursor never runs ahead of events that still wait.
            cursor = self._admission.hub.cursor_of(self._client)
            self._client.tell(Pong(cursor=str(cursor) if cursor else None))
        elif self._principal is None:
            self._client.close(CloseCode.UNAUTHENTICATED, "The first frame must be `auth`.")
        else:
            self._ask(frame, self._principal)

    def _ask(self, frame: Subscribe | Narrow, principal: Principal) -> None:
        wanted = Filter(frame)
        try:
            self._admission.check_filter(principal, wanted)
        except Problem as problem:
            self._client.tell(Error(problem=problem.body()))
            return
        if isinstance(frame, Subscribe):
            self.subscribe(wanted, frame.cursor)
        elif wanted.all_owners != self._client.filter.all_owners:
            self._wrong("A `filter` frame cannot change `all_owners`. Use a `subscribe` frame.")
        else:
            self._client.filter = wanted

    def _wrong(self, detail: str) -> None:
        if self._principal is None:
            self._client.close(CloseCode.BAD_FRAME, detail)
        else:
            self._client.tell(Error(problem=Problem(BAD_REQUEST, detail).body()))
