"""ASGI middleware that gives every HTTP request a server span, RED metrics, one log line and its trace id back.

The gateway's and the notifier's ``bootstrap`` wrap their application in it, outermost. It passes messages through
untouched but for two headers, and never holds a body. A WebSocket gets a span for its handshake only: what follows
belongs to the traces of the events that it carries.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from heliograph_common.telemetry import metrics, spans
from heliograph_common.telemetry.tracing import extract, tracer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT_GONE = 499
"""Recorded when the client went away before a response began (nginx's convention)."""
UNMATCHED = "unmatched"
"""The route of requests that no route takes, so that scanners cannot make label values."""

_SPAN = "heliograph.span"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})

log = structlog.get_logger(__name__)


class TelemetryMiddleware:
    """Wraps an ASGI application."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = CLIENT_GONE
        span = _start(scope, scope["method"])

        async def send_with_trace(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR, f"HTTP {status}"))
                _add_headers(message, span)
            await send(message)

        with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            try:
                await self._app(scope, receive, send_with_trace)
            except Exception as error:
                status = 500 if status == CLIENT_GONE else status
                spans.record_error(span, error)
                raise
            finally:
                _finish(scope, span, status, time.perf_counter() - started)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        outcome = "gone"
        span = scope[_SPAN] = _start(scope, "GET")

        async def send_with_trace(message: Message) -> None:
            nonlocal outcome
            if message["type"] in {"websocket.accept", "websocket.http.response.start"}:
                _add_headers(message, span)
            if message["type"] == "websocket.accept":
                outcome = "accepted"
                _end_span(scope, span, 101)
            elif message["type"] == "websocket.close":
                outcome = f"closed {message.get('code', 1000)}"
            await send(message)

        try:
            await self._app(scope, receive, send_with_trace)
        except Exception as error:
            outcome = "error"
            spans.record_error(span, error)
            raise
        finally:
            if span.is_recording():
                _end_span(scope, span, 403)
            seconds = round(time.perf_counter() - started, 3)
            log.info("socket closed", path=scope["path"], outcome=outcome, seconds=seconds, trace_id=_trace_id(span))


def in_handshake(scope: Scope) -> AbstractContextManager[Span]:
    """Within it the span of a WebSocket's handshake is the current one, as that of an HTTP request always is. (For a
    socket's whole life it would cost a kilobyte of each.)"""
    span = scope.get(_SPAN, trace.get_current_span())
    return trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)


def _start(scope: Scope, method: str) -> Span:
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in {b"traceparent", b"tracestate"}
    }
    method = _method(method)
    attributes = {
        spans.HTTP_METHOD: method,
        spans.URL_PATH: scope["path"],
        spans.URL_SCHEME: scope.get("scheme", "http"),
    }
    return tracer().start_span(method, context=extract(headers), kind=SpanKind.SERVER, attributes=attributes)


def _method(method: str) -> str:
    return method if method in _METHODS else "_OTHER"


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path_format", "") or getattr(route, "path", "") or UNMATCHED)  # {id}, not {id:uuid}


def _trace_id(span: Span) -> str:
    return trace.format_trace_id(span.get_span_context().trace_id)


def _add_headers(message: Message, span: Span) -> None:
    context = span.get_span_context()
    if context.is_valid:
        trace_id, span_id = trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
        message["headers"] = [
            *message.get("headers", ()),
            (b"trace-id", trace_id.encode()),
            (b"traceresponse", f"00-{trace_id}-{span_id}-{context.trace_flags:02x}".encode()),
        ]


def _end_span(scope: Scope, span: Span, status: int) -> None:
    route = _route(scope)
    span.set_attribute(spans.HTTP_STATUS, status)
    if route != UNMATCHED:
        span.set_attribute(spans.HTTP_ROUTE, route)
        span.update_name(f"{_method(scope.get('method', 'GET'))} {route}")
    span.end()


def _finish(scope: Scope, span: Span, status: int, seconds: float) -> None:
    """Metrics, log line and the end of a request's span, which is current."""
    route, method = _route(scope), _method(scope["method"])
    metrics.observe(metrics.http_request_duration.labels(route=route, method=method, status=str(status)), seconds)
    level = "debug" if scope["path"] in _PROBES else "info"
    getattr(log, level)(
        "request", method=method, path=scope["path"], route=route, status=status, seconds=round(seconds, 4)
    )
    _end_span(scope, span, status)
