"""ASGI middleware around the whole application: bodies that stall, answers before the body's end, HEAD, last resort.

``app.py`` wraps the application in it, inside telemetry only. It holds no bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import MutableMapping
from typing import Any

import structlog
from opentelemetry import trace
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heliograph_common.http.problems import Problem
from heliograph_common.telemetry import spans
from heliograph_gateway.http.problems import BODY_TIMEOUT, INTERNAL, INTERNAL_DETAIL

log = structlog.get_logger(__name__)

_LINGER_SECONDS = 5.0
_LINGER_QUIET = 1.0


class Guard:
    """Wraps an ASGI application. ``body_timeout``: seconds for which a request body may make no progress."""

    def __init__(self, app: ASGIApp, body_timeout: float) -> None:
        self._app = app
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._body_timeout)
        inner = _as_get(scope)
        try:
            await self._app(inner, exchange.receive, exchange.send)
        except Exception as error:
            spans.record_error(trace.get_current_span(), error)
            log.exception("request failed", path=scope["path"])
            if not exchange.started:
                problem = Problem(INTERNAL, INTERNAL_DETAIL)
                await problem.response()(scope, exchange.receive, exchange.send)
        finally:
            if inner is not scope and "route" in inner:
                scope["route"] = inner["route"]  # telemetry reads the route of its own scope


def _as_get(scope: Scope) -> Scope:
    """HEAD is routed as GET; the server drops the body."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


class _Exchange:
    """One request and its response.

    A server that closes a connection with unread bytes in its buffer makes the kernel send a reset, and the client
    loses the answer. So an answer that comes before the body's end says ``Connection: close``, is sent whole, and
    only then ends, after what still comes was thrown away for a while (RFC 9112, 9.6).
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, timeout: float) -> None:
        self.started = False
        self._receive = receive
        self._send = send
        self._timeout = timeout
        self._body_done = not _has_body(scope)
        self._stalled = False

    async def receive(self) -> Message:
        """The next piece of the request.

        Raises:
            Problem: nothing came for too long.
        """
        if self._body_done:
            return await self._receive()  # a disconnect, or the empty body of a request without one
        try:
            async with asyncio.timeout(self._timeout):
                message = await self._receive()
        except TimeoutError:
            self._stalled = True
            raise Problem(
                BODY_TIMEOUT,
                f"No part of the body arrived for {self._timeout:g} seconds.",
                headers={"Connection": "close"},
            ) from None
        self._note(message)
        return message

    async def send(self, message: Message) -> None:
        """Passes on a piece of the response."""
        if message["type"] == "http.response.start":
            self.started = True
            if not self._body_done:
                _close(message)
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not last or self._body_done or self._stalled:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._linger()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        """Throws away what comes, until the body's end, a pause or the deadline."""
        deadline = time.monotonic() + _LINGER_SECONDS
        with contextlib.suppress(TimeoutError):
            while not self._body_done and (left := deadline - time.monotonic()) > 0:
                async with asyncio.timeout(min(left, _LINGER_QUIET)):
                    self._note(await self._receive())

    def _note(self, message: Message) -> None:
        self._body_done = message["type"] == "http.disconnect" or not message.get("more_body", False)


def _has_body(scope: Scope) -> bool:
    headers = Request(scope).headers
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _close(message: MutableMapping[str, Any]) -> None:
    headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() != b"connection"]
    message["headers"] = [*headers, (b"connection", b"close")]
