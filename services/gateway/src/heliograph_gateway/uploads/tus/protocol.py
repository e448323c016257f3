"""What holds for every tus request and answer, whichever route takes it: ASGI middleware.

``app.py`` puts it around the routes. It honours ``X-HTTP-Method-Override``, refuses other versions of the protocol before
anything is done, and names the version on every answer, refusals of the other middleware included.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import TUS_VERSION
from heliograph_gateway.uploads.tus.headers import METHOD_OVERRIDE, VERSION, is_tus

_METHOD = re.compile("[A-Z]{1,20}")
_CHANGES = frozenset({"POST", "PATCH", "DELETE"})


class TusProtocol:
    """Wraps an ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http" or not is_tus(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                headers["Tus-Resumable"] = VERSION
                headers["Cache-Control"] = "no-store"
                message = {**message, "headers": headers.raw}
            await send(message)

        scope["method"] = _method(scope)  # in place: telemetry outside reads the route off the same scope
        refusal = _refusal(scope)
        if refusal is None:
            await self._app(scope, receive, answer)
        else:
            await refusal.response()(scope, receive, answer)


def _method(scope: Scope) -> str:
    """The method that is meant. HEAD is routed as GET, as ``guard.py`` has it."""
    method: str = Headers(scope=scope).get(METHOD_OVERRIDE, "").strip().upper()
    if not _METHOD.fullmatch(method):
        return str(scope["method"])
    return "GET" if method == "HEAD" else method


def _refusal(scope: Scope) -> Problem | None:
    """GET needs no version: it shows an upload to whoever may see it. OPTIONS must not have one."""
    spoken = Headers(scope=scope).get("Tus-Resumable")
    if spoken == VERSION or scope["method"] == "OPTIONS" or (spoken is None and scope["method"] not in _CHANGES):
        return None
    detail = "The request has no `Tus-Resumable` header" if spoken is None else f"`Tus-Resumable` is {spoken[:20]!r}"
    return Problem(TUS_VERSION, f"{detail}. This server supports version {VERSION}.", headers={"Tus-Version": VERSION})
