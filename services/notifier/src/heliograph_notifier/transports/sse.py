"""Server-sent events at the same path: ``id`` is the cursor, ``event`` the type, ``data`` the CloudEvent. Beside the
events: ``reset`` and ``draining`` as in heliograph.v1, and ``closing`` with the close code before the response ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from heliograph_common.auth.principal import IMAGES_READ, Principal
from heliograph_common.http.bearer import unauthenticated
from heliograph_notifier.fanout.client import Client, QueueLimits
from heliograph_notifier.fanout.filters import Filter
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.protocol.cursor import Cursor
from heliograph_notifier.protocol.frames import Event, sse_block, sse_heartbeat
from heliograph_notifier.protocol.vocabulary import Closing, Draining, Reset, ResetReason
from heliograph_notifier.transports.admission import Admission
from heliograph_notifier.transports.handshake import (
    check_origin,
    check_url,
    cursor_of,
    filter_of,
    last_header,
    principal_of,
)
from heliograph_notifier.transports.problems import CHALLENGE
from heliograph_notifier.transports.wire import TRANSPORT

CONTENT_TYPE = "text/event-stream"
_RETRY_MS = 2000


class SseClient(Client):
    """A client whose bytes are fetched by ``stream``."""

    transport = "sse"

    def __init__(self, transport: asyncio.Transport, limits: QueueLimits, *, abort_seconds: float) -> None:
        super().__init__(limits)
        self._transport = transport
        self._abort_seconds = abort_seconds
        self.awake = asyncio.Event()
        self.farewell = b""

    def encode(self, event: Event) -> bytes:
        """The block that all streams share."""
        return event.sse

    def write(self, data: bytes) -> bool:
        """Always queues; the response's task fetches."""
        self.awake.set()
        return False

    def shut(self, code: CloseCode, reason: str) -> None:
        """Lets the response end with a last event; aborts a connection that does not take it."""
        self.farewell = sse_block(msgspec.json.encode(Closing(code=int(code), reason=reason)), event="closing")
        self.awake.set()
        asyncio.get_running_loop().call_later(self._abort_seconds, self._abort)

    def tell_ready(self, cursor: Cursor) -> None:
        """An ``id`` alone: the client could resume from here."""
        self.send(f"retry: {_RETRY_MS}\nid: {cursor}\n\n".encode())

    def tell_draining(self, milliseconds: int) -> None:
        """Sets the client's retry time too."""
        data = msgspec.json.encode(Draining(reconnect_in_ms=milliseconds))
        self.send(f"retry: {milliseconds}\n".encode() + sse_block(data, event="draining"))

    def tell_reset(self, reason: ResetReason, cursor: Cursor) -> None:
        """``event: reset``; the stream goes on at ``cursor``."""
        data = msgspec.json.encode(Reset(reason=reason, cursor=str(cursor)))
        self.send(sse_block(data, event="reset", cursor=str(cursor)))

    def _abort(self) -> None:
        # After a farewell that was taken the connection may serve another request; one that is stuck is not writable.
        if self._transport.get_write_buffer_size() > 0:
            self._transport.abort()


async def serve_sse(scope: Scope, receive: Receive, send: Send, admission: Admission) -> None:
    """Serves one stream.

    Raises:
        Problem: it is answered with a problem instead.
    """
    request = HTTPConnection(scope)
    principal, wanted = await _check(request, admission)
    client = SseClient(scope["state"][TRANSPORT], admission.limits, abort_seconds=admission.settings.abort_seconds)
    client.filter = wanted
    client.owner = None if wanted.all_owners else principal.subject
    entered = admission.enter(client) and admission.admit(client, principal.subject)
    left = (principal.expires_at - datetime.now(UTC)).total_seconds()
    expiry = asyncio.get_running_loop().call_later(
        max(left, 0.0), client.close, CloseCode.TOKEN_EXPIRED, "The token has expired."
    )
    helpers = [asyncio.create_task(_watch(client, receive), name="sse-watch")]
    if entered:
        helpers.append(asyncio.create_task(admission.replay.follow(client, cursor_of(request)), name="replay"))
    try:
        await _stream(client, send, admission, _headers(request.headers))
    finally:
        expiry.cancel()
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        admission.leave(client, principal.subject if entered else None)


async def _check(request: HTTPConnection, admission: Admission) -> tuple[Principal, Filter]:
    check_url(request.query_params)
    check_origin(request.headers, admission.settings.origins)
    principal = await principal_of(request.headers, admission.verifier, scope=IMAGES_READ)
    if principal is None:
        raise unauthenticated("The request has no `Authorization` header.", challenge=CHALLENGE)
    wanted = filter_of(request.query_params)
    admission.check_filter(principal, wanted)
    return principal, wanted


async def _stream(client: SseClient, send: Send, admission: Admission, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers.raw})
    while not client.closed:
        try:
            async with asyncio.timeout(admission.settings.heartbeat_seconds):
                await client.awake.wait()
        except TimeoutError:
            # Through the queue, so that the cursor never runs ahead of events that still wait.
            cursor = admission.hub.cursor_of(client)
            client.send(sse_heartbeat(str(cursor) if cursor else ""))
        client.awake.clear()
        while batch := client.take():
            await send({"type": "http.response.body", "body": batch, "more_body": True})
    await send({"type": "http.response.body", "body": client.farewell, "more_body": False})


async def _watch(client: SseClient, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.forget()
    client.awake.set()


def _headers(request: Headers) -> Headers:
    return Headers(
        {
            "content-type": CONTENT_TYPE,
            "cache-control": "no-store",
            "x-accel-buffering": "no",
            "connection": "close",
            **cors(request),
        }
    )


def cors(request: Headers) -> dict[str, str]:
    """What lets a page of an allowed origin read the stream (``check_origin`` has passed)."""
    origin = last_header(request, "origin")
    return {} if origin is None else {"access-control-allow-origin": origin, "vary": "origin"}
