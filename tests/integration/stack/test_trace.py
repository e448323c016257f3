"""One trace follows a picture from the HTTP request over outbox, message and render to the socket's frame."""

from __future__ import annotations

import asyncio
import secrets

import httpx2
import pytest
from tests.corpus import pictures
from tests.integration.stack.support import Running, SpanSeen

from heliograph_common.contracts.sizes import DEFAULT_SIZES

pytestmark = pytest.mark.xdist_group("stack")

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5


async def _spans(stack: Running, trace: str, last: str) -> list[SpanSeen]:
    """All spans of a trace, once one named ``last`` is there and no more came for a second."""
    async with asyncio.timeout(30):
        while True:
            spans = stack.traces.of_trace(trace)
            if any(span.name == last for span in spans):
                await asyncio.sleep(1)
                if len(stack.traces.of_trace(trace)) == len(spans):
                    return spans
            await asyncio.sleep(0.1)


def _ancestors(span: SpanSeen, by_id: dict[str, SpanSeen]) -> list[str]:
    names = []
    while span.parent in by_id:
        span = by_id[span.parent]
        names.append(span.name)
    return names


async def test_one_trace_from_request_to_socket(stack: Running) -> None:
    trace, caller = secrets.token_hex(16), secrets.token_hex(8)
    async with stack.client() as client, httpx2.AsyncClient(base_url=stack.connection["api"]) as http:
        feed = client.events(types=["image.*"])
        listening = asyncio.create_task(anext(feed))
        await asyncio.sleep(0.5)  # the subscription stands
        answer = await http.post(
            "/v1/images?name=traced.jpg",
            content=pictures.jpeg(401, 303),
            headers={
                "Authorization": f"Bearer {stack.connection['token']}",
                "Content-Type": "image/jpeg",
                "traceparent": f"00-{trace}-{caller}-01",
            },
        )
        assert answer.status_code == 201
        assert answer.headers["trace-id"] == trace
        await listening
        await feed.aclose()
        await client.wait(answer.json()["id"], timeout=30)
    spans = await _spans(stack, trace, "process events.image.ready")
    by_id = {span.id: span for span in spans}
    by_name = {span.name: span for span in spans}

    request = by_name["POST /v1/images"]
    assert (request.service, request.kind, request.parent) == ("heliograph-gateway", SERVER, caller)

    send = by_name["send work.render.{priority}"]
    assert (send.service, send.kind) == ("heliograph-gateway", PRODUCER)
    assert "POST /v1/images" in _ancestors(send, by_id)

    work = by_name["process work.render.{priority}"]
    assert (work.service, work.kind, work.parent) == ("heliograph-thumbnailer", CONSUMER, send.id)
    assert send.id in work.links
    assert work.attributes["messaging.system"] == "nats"
    assert work.attributes["heliograph.message.outcome"] == "ack"

    steps = [span for span in spans if span.name.startswith("render ") and span.parent == work.id]
    assert {"render decode", "render resample", "render encode"} <= {" ".join(s.name.split()[:2]) for s in steps}
    stored = [span for span in spans if span.name.startswith("aws.s3 put") and span.service == "heliograph-thumbnailer"]
    assert len(stored) == len(DEFAULT_SIZES)

    ready = by_name["send events.image.ready"]
    assert ready.service == "heliograph-thumbnailer"
    assert work.name in _ancestors(ready, by_id)
    shown = by_name["process events.image.ready"]
    assert (shown.service, shown.kind, shown.parent) == ("heliograph-notifier", CONSUMER, ready.id)
    assert not any(span.error for span in spans)


async def test_a_failed_picture_shows_as_an_error(stack: Running) -> None:
    trace = secrets.token_hex(16)
    async with httpx2.AsyncClient(base_url=stack.connection["api"]) as http:
        answer = await http.post(
            "/v1/images?name=torn.jpg",
            content=pictures.jpeg(402, 303)[:3000],
            headers={
                "Authorization": f"Bearer {stack.connection['token']}",
                "Content-Type": "image/jpeg",
                "traceparent": f"00-{trace}-{secrets.token_hex(8)}-01",
            },
        )
    assert answer.status_code == 201
    spans = await _spans(stack, trace, "send dead.{service}")
    work = next(span for span in spans if span.name == "process work.render.{priority}")
    assert work.error
    assert work.attributes["heliograph.message.outcome"] == "dead"
    assert any(span.name == "send events.image.failed" for span in spans)
