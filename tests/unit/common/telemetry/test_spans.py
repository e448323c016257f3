from __future__ import annotations

import time

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from heliograph_common.contracts.subjects import template_of
from heliograph_common.telemetry import spans
from heliograph_common.telemetry.tracing import tracer


def test_send_and_process_form_one_trace_with_parent_and_link(recorded: InMemorySpanExporter) -> None:
    headers: dict[str, str] = {}
    with (
        tracer().start_as_current_span("request"),
        spans.send_span("work.render.high", message_id="m1", headers=headers),
    ):
        pass
    with spans.process_span(
        "work.render.high", consumer="thumbnailer-high", message_id="m1", headers=headers, deliveries=2
    ):
        spans.step_span("decode", 10, 20)

    send, request, step, process = recorded.get_finished_spans()
    assert (send.name, send.kind) == ("send work.render.{priority}", SpanKind.PRODUCER)
    assert (process.name, process.kind) == ("process work.render.{priority}", SpanKind.CONSUMER)
    assert send.parent is not None
    assert request.context is not None
    assert send.parent.span_id == request.context.span_id
    assert send.context is not None
    assert process.parent is not None
    assert process.parent.span_id == send.context.span_id
    assert [link.context.span_id for link in process.links] == [send.context.span_id]
    assert step.parent is not None
    assert process.context is not None
    assert step.parent.span_id == process.context.span_id
    assert (step.start_time, step.end_time) == (10, 20)
    assert process.attributes is not None
    assert process.attributes["messaging.system"] == "nats"
    assert process.attributes["messaging.operation.type"] == "process"
    assert process.attributes[spans.DELIVERIES] == 2


def test_send_continues_the_trace_of_the_transaction_that_wrote_the_message(recorded: InMemorySpanExporter) -> None:
    headers = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
    with (
        tracer().start_as_current_span("sweep"),
        spans.send_span("events.image.ready", message_id="m", headers=headers),
    ):
        pass

    send = recorded.get_finished_spans()[0]
    assert send.context is not None
    assert f"{send.context.trace_id:032x}" == "a" * 32
    assert headers["traceparent"] == f"00-{'a' * 32}-{send.context.span_id:016x}-01"


def test_a_pull_is_linked_to_each_message_and_child_of_none(recorded: InMemorySpanExporter) -> None:
    batch = [{"traceparent": "00-" + digit * 32 + "-" + digit * 16 + "-01"} for digit in "ab"]
    spans.receive_span("work.render.low", consumer="thumbnailer-low", batch=batch, start_ns=time.time_ns())

    [span] = recorded.get_finished_spans()
    assert (span.name, span.kind, span.parent) == ("receive work.render.{priority}", SpanKind.CLIENT, None)
    assert [f"{link.context.span_id:016x}" for link in span.links] == ["a" * 16, "b" * 16]


def test_an_error_is_on_the_span_without_its_secret(recorded: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="hunter2"), spans.client_span("postgresql", "SELECT"):
        raise ValueError("postgresql://ann:hunter2@db/x")

    [span] = recorded.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "hunter2" not in (span.status.description or "")
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert span.events == ()


def test_a_request_of_another_server_has_its_status(recorded: InMemorySpanExporter) -> None:
    with spans.http_span("GET", "drive.test", 443, "files/{id}") as answered:
        answered(206)
    with spans.http_span("POST", "drive.test") as answered:
        answered(503)
    with pytest.raises(OSError, match="reset"), spans.http_span("GET", "drive.test"):
        raise ConnectionResetError("reset")

    whole, refused, broken = recorded.get_finished_spans()
    assert (whole.name, whole.kind, whole.status.status_code) == ("GET files/{id}", SpanKind.CLIENT, StatusCode.UNSET)
    assert whole.attributes == {
        "http.request.method": "GET",
        "server.address": "drive.test",
        "server.port": 443,
        "url.template": "files/{id}",
        "http.response.status_code": 206,
    }
    assert (refused.name, refused.status.status_code) == ("POST", StatusCode.ERROR)
    assert refused.attributes is not None
    assert refused.attributes["error.type"] == "503"
    assert broken.attributes is not None
    assert broken.attributes["error.type"] == "ConnectionResetError"


@pytest.mark.parametrize(
    ("subject", "template"),
    [
        ("work.render.normal", "work.render.{priority}"),
        ("work.fetch.dropbox", "work.fetch.{source}"),
        ("dead.thumbnailer", "dead.{service}"),
        ("events.image.ready", "events.image.ready"),
    ],
)
def test_destination_templates(subject: str, template: str) -> None:
    assert template_of(subject) == template


def test_a_change_of_replicas_has_a_span_with_its_reason(recorded: InMemorySpanExporter) -> None:
    with spans.scale_span("thumbnails", target="Deployment/thumbnailer", was=1, to=4, term="Drain", backlog=90):
        pass
    [span] = recorded.get_finished_spans()
    assert (span.name, span.kind) == ("scale thumbnails", SpanKind.INTERNAL)
    assert dict(span.attributes or {}) == {
        "heliograph.scaler.name": "thumbnails",
        "heliograph.scaler.target": "Deployment/thumbnailer",
        "heliograph.scaler.replicas.from": 1,
        "heliograph.scaler.replicas.to": 4,
        "heliograph.scaler.term": "Drain",
        "heliograph.scaler.backlog": 90,
    }
