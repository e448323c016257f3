"""The ASGI application: finds the transport for a request and turns refusals into problems."""

from __future__ import annotations

from types import SimpleNamespace

from heliograph_common.telemetry.asgi import Receive, Scope, Send
from heliograph_notifier import asyncapi
from heliograph_notifier.compat.admin_socket import ADMIN_PATH, serve_admin_socket
from heliograph_notifier.transports.admission import Admission
from heliograph_notifier.transports.problems import Refused, refuse
from heliograph_notifier.transports.request import Request
from heliograph_notifier.transports.sse import CONTENT_TYPE, cors, serve_sse
from heliograph_notifier.transports.websocket import serve_websocket

PATH = "/v1/events"


class App:
    """Serves ``/v1/events``, the document of it, and with ``old_clients`` the socket of the system that it replaces; probes
    and metrics have a port of their own."""

    def __init__(self, admission: Admission, *, old_clients: bool) -> None:
        self._admission = admission
        self._old_clients = old_clients

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request or socket."""
        if scope["type"] not in {"http", "websocket"}:
            return
        try:
            await self._route(scope, receive, send)
        except Refused as refused:
            await refuse(scope, send, refused)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == ADMIN_PATH and self._old_clients:
            await self._admin(scope, receive, send)
            return
        if scope["path"] == asyncapi.PATH and scope["type"] == "http":
            await self._document(scope, send)
            return
        if scope["path"] != PATH:
            raise Refused(404, "not-found", f"there is nothing at {scope['path']}; events are at {PATH}")
        scope["route"] = SimpleNamespace(path=PATH)  # what telemetry names the request by
        if scope["type"] == "websocket":
            await serve_websocket(scope, receive, send, self._admission)
        elif scope["method"] == "OPTIONS":
            await self._preflight(Request(scope), send)
        elif scope["method"] != "GET":
            raise Refused(405, "method-not-allowed", f"{PATH} takes GET", headers={"allow": "GET, OPTIONS"})
        elif CONTENT_TYPE not in (Request(scope).header("accept") or ""):
            raise Refused(
                406, "bad-request", f"open a WebSocket, or ask for server-sent events: Accept: {CONTENT_TYPE}"
            )
        else:
            await serve_sse(scope, receive, send, self._admission)

    async def _admin(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = SimpleNamespace(path=ADMIN_PATH)
        if scope["type"] != "websocket":
            detail = f"{ADMIN_PATH} is a WebSocket: send the headers of a handshake"
            raise Refused(426, "bad-request", detail, headers={"upgrade": "websocket"})
        await serve_admin_socket(scope, receive, send, self._admission)

    async def _document(self, scope: Scope, send: Send) -> None:
        scope["route"] = SimpleNamespace(path=asyncapi.PATH)
        if scope["method"] not in {"GET", "HEAD"}:
            raise Refused(405, "method-not-allowed", f"{asyncapi.PATH} takes GET", headers={"allow": "GET, HEAD"})
        headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": asyncapi.document()})

    async def _preflight(self, request: Request, send: Send) -> None:
        request.check_origin(self._admission.settings.origins)
        headers = [
            *cors(request),
            (b"access-control-allow-methods", b"GET"),
            (b"access-control-allow-headers", b"authorization, last-event-id"),
            (b"access-control-max-age", b"600"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
