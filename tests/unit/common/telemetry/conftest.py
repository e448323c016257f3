from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from heliograph_common.settings import TelemetrySettings
from heliograph_common.telemetry.tracing import setup_tracing


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    """Every span that ends during the test."""
    exporter = InMemorySpanExporter()
    shutdown = setup_tracing("test", TelemetrySettings(), processors=[SimpleSpanProcessor(exporter)])
    yield exporter
    shutdown()
