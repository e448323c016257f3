from __future__ import annotations

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from heliograph_common.telemetry import metrics
from heliograph_common.telemetry.tracing import current_trace_id, tracer


def test_openmetrics_carries_the_trace_as_exemplar(recorded: InMemorySpanExporter) -> None:
    with tracer().start_as_current_span("render"):
        trace_id = current_trace_id()
        metrics.observe(metrics.stage_latency.labels(stage="exemplar-test"), 0.3)

    body, content_type = metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert f'# {{trace_id="{trace_id}"}} 0.3' in body.decode()
    assert body.endswith(b"# EOF\n")


def test_plain_text_is_the_default_and_has_no_exemplars() -> None:
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    assert b"# {" not in body


def test_every_metric_of_ours_has_the_prefix_and_a_meaning() -> None:
    families = [family for family in metrics.REGISTRY.collect() if not family.name.startswith("process_")]
    assert len(families) >= 14
    assert all(family.name.startswith("heliograph_") and family.documentation for family in families)
    assert {"heliograph_dead_letters_total", "heliograph_outbox_depth"} <= metrics.names()
