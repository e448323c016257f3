"""One trace from the request over the object store and the transaction into the messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.integration.gateway.support import count

from heliograph_common.bus.connection import Bus
from heliograph_common.settings import TelemetrySettings
from heliograph_common.telemetry.tracing import setup_tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """Spans as they end."""
    exporter = InMemorySpanExporter()
    shutdown = setup_tracing("gateway", TelemetrySettings(), processors=[SimpleSpanProcessor(exporter)])
    yield exporter
    shutdown()
    setup_tracing("gateway", TelemetrySettings())


async def test_an_upload_is_one_trace(
    exported: InMemorySpanExporter, ann: httpx2.AsyncClient, bus: Bus, picture: Callable[..., bytes]
) -> None:
    headers = {"Content-Type": "image/png", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    answer = await ann.post("/v1/images", content=picture(), headers=headers)
    await count(bus, "WORK", "work.render.normal", expected=1)
    command = await bus.jetstream.get_msg("WORK", seq=1, subject="work.render.normal", next=True)
    spans = {span.name: span for span in exported.get_finished_spans() if f"{span.context.trace_id:032x}" == TRACE}

    assert answer.headers["trace-id"] == TRACE
    assert (command.headers or {})["traceparent"].split("-")[1] == TRACE
    server = spans["POST /v1/images"]
    for name in ("aws.s3 put", "postgresql transaction"):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == server.context.span_id, name


async def test_a_problem_names_its_trace(ann: httpx2.AsyncClient, exported: InMemorySpanExporter) -> None:
    answer = await ann.get("/v1/nothing", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})

    assert answer.json()["trace_id"] == answer.headers["trace-id"] == TRACE
