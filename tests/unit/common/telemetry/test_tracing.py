from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from heliograph_common.settings import TelemetrySettings
from heliograph_common.telemetry.tracing import current_trace_id, extract, inject, setup_tracing, tracer


class Collector:
    """An OTLP/HTTP receiver on a free loopback port."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, ExportTraceServiceRequest]] = []
        requests = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                requests.append((self.path, ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Silent."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def test_spans_reach_a_collector_with_the_service_name_and_pinned_schema(collector: Collector) -> None:
    shutdown = setup_tracing("gateway", TelemetrySettings(otlp_endpoint=collector.url + "/"))
    with tracer().start_as_current_span("work"):
        pass
    shutdown()

    [(path, request)] = collector.requests
    [resource_spans] = request.resource_spans
    attributes = {item.key: item.value.string_value for item in resource_spans.resource.attributes}
    assert path == "/v1/traces"
    assert attributes["service.name"] == "heliograph-gateway"
    assert attributes["service.version"]
    assert resource_spans.scope_spans[0].schema_url.startswith("https://opentelemetry.io/schemas/1.")
    assert [span.name for span in resource_spans.scope_spans[0].spans] == ["work"]


def test_shutdown_does_not_wait_for_a_collector_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        shutdown = setup_tracing(
            "gateway", TelemetrySettings(otlp_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        )
        with tracer().start_as_current_span("work"):
            pass
        started = time.monotonic()
        shutdown()

    assert time.monotonic() - started < 15  # the SDK alone would allow 30


def test_context_survives_a_round_trip_through_headers(recorded: InMemorySpanExporter) -> None:
    headers: dict[str, str] = {}
    with tracer().start_as_current_span("outer") as span:
        inject(headers)
        assert current_trace_id() == trace.format_trace_id(span.get_span_context().trace_id)

    carried = trace.get_current_span(extract(headers)).get_span_context()
    assert carried.span_id == span.get_span_context().span_id
    assert current_trace_id() is None


@pytest.mark.parametrize("value", ["", "00-0-0-0", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_broken_traceparent_starts_a_new_trace(recorded: InMemorySpanExporter, value: str) -> None:
    assert not trace.get_current_span(extract({"traceparent": value})).get_span_context().is_valid
