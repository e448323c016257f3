"""Waiting for an image: by events, by polling, in time."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest
from tests.polling import until
from tests.unit.client.fake import TOKEN, FakeServer
from tests.unit.client.support import reads

from heliograph_client import AsyncClient, Connection, RetryPolicy
from heliograph_client.errors import NotFound, WaitTimeout
from heliograph_client.models import Stages


async def test_what_is_finished_is_answered_at_once(fake: FakeServer, client: AsyncClient) -> None:
    image = fake.add_image()
    assert (await client.wait(image["id"])).status == "complete"
    assert reads(fake, image["id"]) == 1


async def test_an_event_ends_the_wait(fake: FakeServer, client: AsyncClient) -> None:
    image = fake.add_image(status="pending")
    told: list[tuple[int, str]] = []
    waiting = asyncio.create_task(
        client.wait(image["id"], on_stage=lambda progress, stages: told.append((progress, stages.variants)))
    )
    await until(lambda: fake.subscriptions and reads(fake, image["id"]) >= 2)
    stages = Stages(thumbnails="complete").model_dump()
    fake.broadcast(fake.event(1, "image.thumbnails_ready", image["id"], progress=60, stages=stages))
    await until(lambda: (60, "pending") in told)
    before = reads(fake, image["id"])
    fake.finish(image["id"])
    fake.broadcast(fake.event(2, "image.ready", image["id"]))
    async with asyncio.timeout(8):  # polling beside events would take 10 seconds
        finished = await waiting
    assert (finished.status, [each.name for each in finished.renditions]) == ("complete", ["150"])
    assert told[0] == (20, "pending")
    assert told[-1] == (100, "complete")
    assert reads(fake, image["id"]) == before + 1


async def test_many_waits_share_one_stream(fake: FakeServer, client: AsyncClient) -> None:
    images = [fake.add_image(status="pending") for _ in range(20)]
    waiting = [asyncio.create_task(client.wait(image["id"])) for image in images]
    await until(lambda: fake.subscriptions)
    for number, image in enumerate(images):
        fake.finish(image["id"], "failed" if number == 3 else "complete")
        fake.broadcast(fake.event(number, "image.failed" if number == 3 else "image.ready", image["id"]))
    statuses = [(await each).status for each in waiting]
    assert statuses.count("failed") == 1
    assert len(fake.subscriptions) == 1
    assert fake.subscriptions[0]["types"] == ["image.*"]


async def test_polling_carries_on_without_events(fake: FakeServer, policy: RetryPolicy) -> None:
    image = fake.add_image(status="pending")
    fake.processing_reads = 3
    deaf = Connection(api=fake.api, events="ws://127.0.0.1:1/v1/events", token=TOKEN)
    async with AsyncClient(deaf, policy=policy) as client:
        assert (await client.wait(image["id"], timeout=20)).status == "complete"


async def test_a_reset_makes_it_look(fake: FakeServer, client: AsyncClient) -> None:
    image = fake.add_image(status="pending")
    go = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def resets(socket: object, _subscription: object) -> None:
        await socket.send(json.dumps({"op": "ready", "cursor": "1.0"}))  # type: ignore[attr-defined]
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(go.wait(), loop))
        await socket.send(json.dumps({"op": "reset", "reason": "rewound", "cursor": "1.5"}))  # type: ignore[attr-defined]
        await socket.wait_closed()  # type: ignore[attr-defined]

    fake.sockets.append(resets)
    waiting = asyncio.create_task(client.wait(image["id"]))
    await until(lambda: reads(fake, image["id"]) >= 2)
    fake.finish(image["id"])
    go.set()
    async with asyncio.timeout(8):
        assert (await waiting).status == "complete"


async def test_a_wait_ends_in_time(fake: FakeServer, client: AsyncClient) -> None:
    image = fake.add_image(status="pending")
    with pytest.raises(WaitTimeout, match=r"not finished after 0.2 s; wait longer"):
        await client.wait(image["id"], timeout=0.2)


async def test_an_image_that_is_deleted_meanwhile(fake: FakeServer, client: AsyncClient) -> None:
    image = fake.add_image(status="pending")
    waiting = asyncio.create_task(client.wait(image["id"]))
    await until(lambda: fake.subscriptions and reads(fake, image["id"]) >= 2)
    del fake.images[image["id"]]
    fake.broadcast(fake.event(1, "image.deleted", image["id"]))
    with pytest.raises(NotFound):
        await waiting
    with pytest.raises(NotFound):
        await client.wait(uuid.uuid4())


async def test_events_about_something_else_are_passed_over(fake: FakeServer, client: AsyncClient) -> None:
    image = fake.add_image(status="pending")
    waiting = asyncio.create_task(client.wait(image["id"]))
    await until(lambda: fake.subscriptions and reads(fake, image["id"]) >= 2)
    fake.broadcast(fake.event(1, subject="no-uuid"))
    fake.broadcast(fake.event(2, "image.stored", subject=image["id"], stages={"stored": 7}))
    fake.finish(image["id"])
    fake.broadcast(fake.event(3, subject=image["id"]))
    assert (await waiting).status == "complete"
