from __future__ import annotations

from typing import Any

import pytest
import structlog
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from heliograph_common.telemetry import metrics
from heliograph_common.telemetry.asgi import TelemetryMiddleware

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def application() -> FastAPI:
    app = FastAPI()
    router = APIRouter(prefix="/v1")

    @router.get("/images/{image_id}")
    async def image(image_id: str) -> PlainTextResponse:
        return PlainTextResponse(image_id)

    @router.get("/boom")
    async def boom() -> None:
        raise RuntimeError("password=hunter2")

    @router.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"a", b"b"]))

    @router.websocket("/events")
    async def events(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    app.include_router(router)
    return app


def client() -> TestClient:
    return TestClient(TelemetryMiddleware(application()), raise_server_exceptions=False)


def requests_counted(route: str, status: str) -> float:
    labels = {"route": route, "method": "GET", "status": status}
    return metrics.REGISTRY.get_sample_value("heliograph_http_request_duration_seconds_count", labels) or 0.0


def test_a_request_continues_the_callers_trace_and_gets_its_id_back(recorded: InMemorySpanExporter) -> None:
    before = requests_counted("/v1/images/{image_id}", "200")
    response = client().get("/v1/images/7?token=hunter2", headers={"traceparent": PARENT})

    [span] = recorded.get_finished_spans()
    assert response.headers["trace-id"] == "a" * 32
    assert response.headers["traceresponse"].startswith("00-" + "a" * 32)
    assert (span.name, span.kind) == ("GET /v1/images/{image_id}", SpanKind.SERVER)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b" * 16
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert "hunter2" not in str(dict(span.attributes))
    assert requests_counted("/v1/images/{image_id}", "200") == before + 1


def test_one_log_line_a_request_without_its_query(recorded: InMemorySpanExporter) -> None:
    with structlog.testing.capture_logs() as logged:
        client().get("/v1/images/7?token=hunter2")

    [line] = logged
    assert (line["event"], line["status"], line["path"]) == ("request", 200, "/v1/images/7")
    assert "hunter2" not in str(line)


def test_paths_without_a_route_share_one_label(recorded: InMemorySpanExporter) -> None:
    before = requests_counted("unmatched", "404")
    for path in ("/wp-admin", "/.env"):
        assert client().get(path).status_code == 404
    assert requests_counted("unmatched", "404") == before + 2


def test_an_exception_is_an_error_on_the_span(recorded: InMemorySpanExporter) -> None:
    assert client().get("/v1/boom").status_code == 500

    [span] = recorded.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "RuntimeError: password=[hidden]"


async def test_bodies_pass_through_message_by_message(recorded: InMemorySpanExporter) -> None:
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for chunk in (b"a", b"b", b""):
            await send({"type": "http.response.body", "body": chunk, "more_body": bool(chunk)})
            assert sent[-1]["body"] == chunk

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "BREW", "path": "/", "headers": []}
    await TelemetryMiddleware(app)(scope, None, send)  # type: ignore[arg-type]
    [span] = recorded.get_finished_spans()
    assert span.name == "_OTHER"


def test_a_socket_has_a_span_for_its_handshake_only(recorded: InMemorySpanExporter) -> None:
    with client().websocket_connect("/v1/events", headers={"traceparent": PARENT}) as socket:
        assert socket.receive_text() == "hello"
        [span] = recorded.get_finished_spans()

    assert span.name == "GET /v1/events"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 101
    assert f"{span.context.trace_id:032x}" == "a" * 32 if span.context else False


def test_a_refused_socket_ends_its_span_too(recorded: InMemorySpanExporter) -> None:
    with pytest.raises(WebSocketDisconnect), client().websocket_connect("/nowhere"):
        pass

    [span] = recorded.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 403
