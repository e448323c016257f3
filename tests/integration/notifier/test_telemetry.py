"""What a notifier tells of itself: one span an event, metrics, health."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import msgspec
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
from tests.integration.notifier.support import AUTH, Notifier, Publisher, StartNotifier
from tests.nats_server import NatsServer
from tests.polling import until
from websockets.exceptions import InvalidStatus

from heliograph_common.runtime.health import Health
from heliograph_common.settings import HttpSettings, NatsSettings, TelemetrySettings
from heliograph_common.telemetry import metrics
from heliograph_common.telemetry.tracing import setup_tracing
from heliograph_notifier.bootstrap import build
from heliograph_notifier.settings import NotifierSettings

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    shutdown = setup_tracing("test", TelemetrySettings(), processors=[SimpleSpanProcessor(exporter)])
    yield exporter
    shutdown()


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


async def test_one_span_an_event_continues_its_trace(
    recorded: InMemorySpanExporter, notifier: Notifier, publish: Publisher
) -> None:
    async with notifier.subscribed("ann") as one, notifier.subscribed("ann") as two, notifier.subscribed("bob"):
        await publish("ann", traceparent=f"00-{TRACE}-{PARENT}-01")
        [event] = await one.events(1)
        await two.events(1)
    [span] = [span for span in recorded.get_finished_spans() if span.kind is SpanKind.CONSUMER]
    assert span.name == "process events.image.ready"
    assert span.parent is not None
    assert format_span_id(span.parent.span_id) == PARENT
    assert format_trace_id(span.context.trace_id) == TRACE
    assert [format_span_id(link.context.span_id) for link in span.links] == [PARENT]
    assert span.attributes is not None
    assert span.attributes["heliograph.clients"] == 2
    assert span.attributes["messaging.message.id"] == event["id"]
    assert span.attributes["heliograph.image.id"] == event["subject"]


@pytest.mark.parametrize("websocket", [True, False], ids=["a handshake", "a request"])
async def test_a_refusal_names_its_trace_and_the_remedy(
    recorded: InMemorySpanExporter, notifier: Notifier, websocket: bool
) -> None:
    if websocket:
        with pytest.raises(InvalidStatus) as refused:
            async with notifier.socket("cloudevents.json"):
                pass
        headers, body = dict(refused.value.response.headers.raw_items()), refused.value.response.body
    else:
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.get(notifier.http_url, headers={"accept": "text/event-stream"})
        headers, body = dict(answer.headers), answer.content
    problem = msgspec.json.decode(body)
    assert problem["trace_id"] == headers["trace-id"]
    assert "Authorization: Bearer" in problem["remedy"]
    assert (problem["type"], headers["cache-control"]) == ("/problems/unauthenticated", "no-store")


async def test_metrics(start_notifier: StartNotifier, publish: Publisher) -> None:
    notifier = await start_notifier()
    before = sample("heliograph_stage_latency_seconds_count", stage="socket")
    resets = sample("heliograph_socket_resets_total", reason="other_epoch")
    sockets = sample("heliograph_sockets", transport="websocket")
    async with notifier.subscribed("ann") as socket:
        assert sample("heliograph_sockets", transport="websocket") == sockets + 1
        await publish("ann", 3)
        await socket.events(3)
        await socket.say("subscribe", cursor="abc.1")
        await socket.expect("reset")
    assert sample("heliograph_stage_latency_seconds_count", stage="socket") == before + 3
    assert sample("heliograph_socket_resets_total", reason="other_epoch") == resets + 1
    await until(lambda: sample("heliograph_sockets", transport="websocket") == sockets, 10)
    assert sample("heliograph_socket_queue_bytes") == 0


async def test_health_without_nats_from_the_start_and_after_it_came(
    nats_server: NatsServer, notifier: Notifier
) -> None:
    assert (await notifier.health.report()).status == "ready"
    await nats_server.stop()
    report = await notifier.health.report()
    assert report.status == "degraded"
    assert report.checks["nats"].status == "failed"
    health = Health(cache_seconds=0)
    nowhere = NatsSettings(url="nats://127.0.0.1:9")
    components = await build(NotifierSettings(nats=nowhere, auth=AUTH, http=HttpSettings(port=0)), health)
    for component in components:
        await component.start()
    health.phase = "serving"
    try:
        assert (await health.report()).status == "unavailable"
    finally:
        for component in reversed(components):
            await component.stop(2)
