"""Traces: the provider, its exporter, and W3C trace context in and out of headers.

``runtime.run`` calls ``setup_tracing`` once; adapters use ``spans``. Sampling is left to the collector. The provider is
not made global to the process: nothing but our own spans goes through it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from heliograph_common.settings import TelemetrySettings

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.1"
EXPORT_TIMEOUT_SECONDS = 2.0
SHUTDOWN_SECONDS = 3.0
SCHEDULE_DELAY_MILLIS = 500

Shutdown = Callable[[], None]

_propagator = TraceContextTextMapPropagator()
_provider: trace.TracerProvider = trace.NoOpTracerProvider()


def setup_tracing(service: str, settings: TelemetrySettings, *, processors: Sequence[SpanProcessor] = ()) -> Shutdown:
    """Makes spans of ``service`` go to the collector in ``settings``, and to ``processors``.

    Returns:
        A callable that sends what is left and takes at most ``SHUTDOWN_SECONDS``, also when the collector is away.
    """
    global _provider  # noqa: PLW0603 - one provider a process, chosen at start
    resource = Resource.create(
        {"service.name": f"heliograph-{service}", "service.version": _version(service)}, schema_url=SCHEMA_URL
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    if settings.otlp_endpoint:
        # Loaded when needed: it brings requests and protobuf, which a service without a collector need not wait for.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        exporter = OTLPSpanExporter(
            endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS
        )
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=SCHEDULE_DELAY_MILLIS))
    _provider = provider

    def shutdown() -> None:
        # The SDK would wait 30 seconds for a collector that does not answer; a daemon thread bounds that.
        worker = threading.Thread(target=provider.shutdown, name="tracing-shutdown", daemon=True)
        worker.start()
        worker.join(SHUTDOWN_SECONDS)

    return shutdown


def tracer() -> trace.Tracer:
    """The tracer of this process; before ``setup_tracing`` it makes spans that record nothing."""
    return _provider.get_tracer("heliograph", schema_url=SCHEMA_URL)


def inject(headers: MutableMapping[str, str]) -> None:
    """Writes ``traceparent`` and ``tracestate`` of the current span into ``headers``."""
    _propagator.inject(headers)


def extract(headers: Mapping[str, str]) -> Context:
    """The context that ``headers`` carry, on its own: an absent or broken ``traceparent`` gives an empty one."""
    return _propagator.extract(headers, context=Context())


def current_trace_id() -> str | None:
    """The current trace id as 32 hexadecimal digits, or ``None`` outside a trace."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


def _version(service: str) -> str:
    for distribution in (f"heliograph-{service}", "heliograph-common"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "unknown"
