"""Every frame that sockets and streams really send is one that the AsyncAPI document names."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from tests.contracts.asyncapi import DOCUMENT, messages_of, told_apart
from tests.contracts.make_samples import samples
from tests.integration.notifier.support import Notifier, StartNotifier, admin_socket, stream, tell, token
from tests.nats_server import NatsServer

from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.messages import Event
from heliograph_notifier.protocol.codes import CloseCode

BODIES = [body for body in samples() if isinstance(body, Event)]


async def test_the_document_is_served(notifier: Notifier) -> None:
    url = notifier.http_url.replace("/v1/events", "/asyncapi.json")
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
        refused = await client.post(url)
    assert answer.json() == DOCUMENT
    assert answer.headers["content-type"] == "application/json"
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_every_frame_of_heliograph_v1(notifier: Notifier, bus: Bus) -> None:
    frames: list[dict[str, Any]] = []
    async with notifier.socket() as socket:
        for frame in (
            {"op": "auth", "token": token("ann")},
            {"op": "subscribe", "types": ["image.*", "import.*", "word.*"], "word_ids": []},
            {"op": "ping"},
        ):
            told_apart(messages_of("receiveHeliographV1"), frame)
            await socket.say(**frame)
            frames.append(await socket.receive())
        await tell(bus, "ann", *BODIES)
        frames += await socket.events(len(BODIES))
        await socket.say("filter", all_owners=True)
        frames.append(await socket.expect("error"))
        await socket.say("subscribe", cursor="none")
        frames.append(await socket.expect("reset"))
        stopping = asyncio.create_task(notifier.stop())
        frames.append(await socket.expect("draining"))
        code, _ = await socket.closed()
        await stopping
    assert {told_apart(messages_of("sendHeliographV1"), frame) for frame in frames} == messages_of("sendHeliographV1")
    assert str(code) in DOCUMENT["channels"]["heliographV1"]["x-close-codes"]


async def test_every_frame_of_cloudevents(notifier: Notifier, bus: Bus) -> None:
    async with notifier.socket("cloudevents.json", token=token("ann")) as socket:
        await notifier.joined()
        await tell(bus, "ann", *BODIES)
        frames = await socket.events(len(BODIES))
        await socket.connection.send("anything")
        code, _ = await socket.closed()
    assert {told_apart(messages_of("sendCloudEvents"), frame) for frame in frames} == messages_of("sendCloudEvents")
    assert code == CloseCode.BAD_FRAME


async def test_every_server_sent_event(notifier: Notifier, bus: Bus) -> None:
    async with stream(notifier, "ann", cursor="none") as events:
        found = [await events.next()]
        await tell(bus, "ann", *BODIES)
        found += [await events.next() for _ in BODIES]
        stopping = asyncio.create_task(notifier.stop())
        found += [await events.next() for _ in range(2)]
        await stopping
    names = {told_apart(messages_of("sendServerSentEvents"), data) for _, data in found}
    assert names == messages_of("sendServerSentEvents")
    assert all(kind == data.get("type", data.get("op")) for kind, data in found)


async def test_every_frame_of_the_admin_socket(notifier: Notifier, bus: Bus) -> None:
    async with admin_socket(notifier) as socket:
        auth = {"type": "auth", "token": token("root", scopes=("admin",))}
        told_apart(messages_of("receiveAdminSocket"), auth)
        await socket.connection.send(str(auth).replace("'", '"'))
        frames = [await socket.receive()]
        await notifier.joined()
        await tell(bus, "ann", *BODIES)
        await socket.connection.send("no JSON")
        frames += [await socket.receive() for _ in range(5)]
    assert {told_apart(messages_of("sendAdminSocket"), frame) for frame in frames} == messages_of("sendAdminSocket")


async def test_refusals_are_problems(start_notifier: StartNotifier, nats_server: NatsServer) -> None:
    del nats_server
    notifier = await start_notifier()
    async with httpx2.AsyncClient(trust_env=False) as client:
        for headers, status in (({}, 406), ({"Accept": "text/event-stream"}, 401)):
            answer = await client.get(notifier.http_url, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
            assert answer.json().keys() == {"type", "title", "status", "detail", "remedy", "trace_id"}
