"""The ASGI application: the routes, and refusals as problem documents. Probes and metrics have a port of their own."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from heliograph_common.http.problems import METHOD_NOT_ALLOWED, Problem
from heliograph_common.telemetry.asgi import in_handshake
from heliograph_notifier import asyncapi
from heliograph_notifier.compat.admin_socket import ADMIN_PATH, serve_admin_socket
from heliograph_notifier.transports.admission import Admission
from heliograph_notifier.transports.handshake import check_origin, last_header
from heliograph_notifier.transports.problems import NOT_ACCEPTABLE, ROUTE_NOT_FOUND, UPGRADE_REQUIRED
from heliograph_notifier.transports.sse import CONTENT_TYPE, cors, serve_sse
from heliograph_notifier.transports.websocket import serve_websocket

PATH = "/v1/events"


class App:
    """Serves ``/v1/events``, the document of it, and with ``old_clients`` the socket of the system that it replaces."""

    def __init__(self, admission: Admission, *, old_clients: bool) -> None:
        self._admission = admission
        routes: list[BaseRoute] = [
            WebSocketRoute(PATH, _Asgi(partial(serve_websocket, admission=admission))),
            Route(PATH, _Asgi(self._stream)),
            Route(asyncapi.PATH, _Asgi(_document)),
        ]
        if old_clients:
            routes += [
                WebSocketRoute(ADMIN_PATH, _Asgi(partial(serve_admin_socket, admission=admission))),
                Route(ADMIN_PATH, _Asgi(_upgrade_required)),
            ]
        self._router = Router(routes, redirect_slashes=False, default=_not_found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request or socket."""
        try:
            await self._router(scope, receive, send)
        except Problem as problem:
            problem.headers.setdefault("Cache-Control", "no-store")
            with in_handshake(scope):
                response = problem.response()
            await response(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if scope["method"] == "OPTIONS":
            await self._preflight(headers)(scope, receive, send)
            return
        if scope["method"] != "GET":
            raise Problem(METHOD_NOT_ALLOWED, "This route supports GET.", headers={"Allow": "GET, OPTIONS"})
        if CONTENT_TYPE not in (last_header(headers, "accept") or ""):
            raise Problem(NOT_ACCEPTABLE, f"The route serves WebSockets and server-sent events (`{CONTENT_TYPE}`).")
        await serve_sse(scope, receive, send, self._admission)

    def _preflight(self, headers: Headers) -> Response:
        """The answer to a browser that asks whether a page may open a stream."""
        check_origin(headers, self._admission.settings.origins)
        allowed = {
            "Access-Control-Allow-Methods": "GET",
            "Access-Control-Allow-Headers": "authorization, last-event-id",
            "Access-Control-Max-Age": "600",
        }
        return Response(status_code=204, headers=cors(headers) | allowed)


class _Asgi:
    """An ASGI application as an endpoint; a function would be called with a request and had to return a response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._app(scope, receive, send)


async def _document(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["method"] not in {"GET", "HEAD"}:
        raise Problem(METHOD_NOT_ALLOWED, "This route supports GET and HEAD.", headers={"Allow": "GET, HEAD"})
    anyone = {"Access-Control-Allow-Origin": "*"}
    await Response(asyncapi.document(), headers=anyone, media_type="application/json")(scope, receive, send)


async def _upgrade_required(scope: Scope, receive: Receive, send: Send) -> None:
    detail = f"`{ADMIN_PATH}` is a WebSocket endpoint. Send a WebSocket handshake."
    raise Problem(UPGRADE_REQUIRED, detail, headers={"Upgrade": "websocket"})


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    raise Problem(ROUTE_NOT_FOUND, f"No route matches {scope['path'][:200]}. Events are served at {PATH}.")
