"""Server-sent events: the same events at the same path."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest
from tests.integration.notifier.support import (
    READY,
    Notifier,
    Publisher,
    StartNotifier,
    stream,
    token,
)
from tests.nats_server import NatsServer

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.contracts import subjects


async def get(notifier: Notifier, method: str = "GET", query: str = "", **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
        return await client.request(method, notifier.http_url + query, headers=headers)


async def test_events_have_id_type_and_data(notifier: Notifier, publish: Publisher) -> None:
    async with stream(notifier) as events:
        await notifier.joined()
        [event_id] = await publish("ann")
        await publish("bob")
        kind, data = await events.next()
        assert (kind, data["id"], data["type"]) == (READY, event_id, READY)
        assert events.last_event_id == data["cursor"]
        assert events.retry == "2000"
        with pytest.raises(TimeoutError):
            await events.next(timeout=0.3)


async def test_resumes_by_last_event_id(start_notifier: StartNotifier, publish: Publisher) -> None:
    notifier = await start_notifier(ring_events=10)
    async with stream(notifier) as events:
        await notifier.joined()
        await publish("ann", 2)
        await events.ids(1)
        cursor = events.last_event_id
    await publish("bob", 5)
    await publish("ann", 30)
    async with stream(notifier, cursor=cursor) as events:
        assert await events.ids(31) == publish.sent["ann"][1:]
    async with stream(notifier, query=f"?cursor={cursor}") as events:
        assert await events.ids(31) == publish.sent["ann"][1:]


async def test_a_stream_can_be_resumed_from_its_very_start(notifier: Notifier, publish: Publisher) -> None:
    async with stream(notifier) as events:
        with pytest.raises(TimeoutError):
            await events.next(timeout=0.3)
        cursor = events.last_event_id
    missed = await publish("ann", 2)
    async with stream(notifier, cursor=cursor) as events:
        assert await events.ids(2) == missed


async def test_heartbeats_move_the_cursor_on(start_notifier: StartNotifier, publish: Publisher) -> None:
    notifier = await start_notifier(heartbeat_seconds=0.2)
    async with stream(notifier) as events:
        await notifier.joined()
        await publish("bob", 7)
        with pytest.raises(TimeoutError):
            await events.next(timeout=0.7)
    assert events.comments >= 1
    assert events.last_event_id.endswith(".7")


async def test_a_bad_cursor_is_an_event_and_the_stream_goes_on(notifier: Notifier, publish: Publisher) -> None:
    async with stream(notifier, cursor="yesterday") as events:
        kind, data = await events.next()
        assert (kind, data["reason"]) == ("reset", "malformed")
        assert events.last_event_id == data["cursor"]
        ids = await publish("ann")
        assert await events.ids(1) == ids


async def test_a_replaced_stream_is_an_event(
    nats_server: NatsServer, bus: Bus, notifier: Notifier, publish: Publisher
) -> None:
    async with stream(notifier) as events:
        await notifier.joined()
        await publish("ann")
        await events.ids(1)
        await bus.jetstream.delete_stream(subjects.EVENTS_STREAM)
        await provision(bus.jetstream, nats_server.settings)
        kind, data = await events.next()
        assert (kind, data["reason"]) == ("reset", "other_epoch")


async def test_expiry_ends_the_stream_with_a_reason(notifier: Notifier) -> None:
    async with stream(notifier, lifetime=timedelta(seconds=1)) as events:
        kind, data = await events.next()
        assert (kind, data["code"]) == ("closing", 4002)
        assert await events.next() == ("", None)


async def test_a_client_that_never_reads_is_let_go_of(start_notifier: StartNotifier, publish: Publisher) -> None:
    notifier = await start_notifier(queue_events=20)
    async with stream(notifier) as events, notifier.subscribed("ann") as quick:
        await notifier.joined(2)
        for _ in range(60):
            await publish("ann", 30, name="x" * 20_000)
            await quick.ids(30)
            if notifier.server.connections == 1:
                break
        assert notifier.server.connections == 1
        with pytest.raises(httpx2.HTTPError):
            await events.ids(len(publish.sent["ann"]))


async def test_refusals(notifier: Notifier) -> None:
    sse = "text/event-stream"
    good = f"Bearer {token('ann')}"
    for status, answer in [
        (401, await get(notifier, accept=sse)),
        (401, await get(notifier, accept=sse, authorization="Bearer nonsense")),
        (401, await get(notifier, accept=sse, authorization="Basic YTpi")),
        (403, await get(notifier, accept=sse, authorization=f"Bearer {token('ann', scopes=['images:write'])}")),
        (403, await get(notifier, accept=sse, authorization=good, origin="https://evil.example")),
        (403, await get(notifier, accept=sse, authorization=good, query="?all_owners=true")),
        (400, await get(notifier, accept=sse, authorization=good, query="?all_owners=perhaps")),
        (400, await get(notifier, accept=sse, query=f"?access_token={token('ann')}")),
        (405, await get(notifier, "POST", accept=sse, authorization=good)),
        (406, await get(notifier, accept="application/json", authorization=good)),
    ]:
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.json()["detail"]
    assert (await get(notifier, accept=sse)).headers["www-authenticate"] == "Bearer"


async def test_pages_of_allowed_origins(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(origins=["https://app.example"])
    answer = await get(notifier, "OPTIONS", origin="https://app.example")
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert (await get(notifier, "OPTIONS", origin="https://evil.example")).status_code == 403
