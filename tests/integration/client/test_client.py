"""The library against a real stack, and through the death of its services."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from tests.polling import until

from heliograph_client import AsyncClient, Client, Connection, Event, Image, Reset, RetryPolicy
from heliograph_client.errors import Rejected

Picture = Callable[[int], bytes]
ORDER = ["image.stored", "image.thumbnails_ready", "image.variants_ready", "image.ready"]


def kill(data: Path, service: str) -> None:
    """SIGKILLs a service; the stack's supervisor starts another."""
    rows = json.loads((data / "state.json").read_text())["processes"]
    os.kill(next(row["pid"] for row in rows if row["name"] == service), signal.SIGKILL)


def is_ready(item: Event | Reset, image: Image) -> bool:
    """Whether it is the event that says that the image is complete."""
    return isinstance(item, Event) and (item.subject, item.type) == (str(image.id), "image.ready")


@asynccontextmanager
async def listening(client: AsyncClient) -> AsyncIterator[list[Event | Reset]]:
    """What the stream gives out, as it grows."""
    found: list[Event | Reset] = []

    async def collect() -> None:
        async with aclosing(client.events(types=["image.*"])) as items:
            async for item in items:
                found.append(item)  # noqa: PERF401 - it is read while it grows

    task = asyncio.create_task(collect())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_events_tell_of_each_stage_and_resume(connection: Connection, picture: Picture) -> None:
    async with AsyncClient(connection) as client, listening(client) as found:
        image = await client.upload(picture(100), name="stages.png")
        told: list[int] = []
        done = await client.wait(image.id, 60, on_stage=lambda progress, _: told.append(progress))
        again = await client.upload(picture(101), name="until.png")
        await client.wait(again.id, 60)
        await until(lambda: any(is_ready(item, again) for item in found), 20)
        ours = [event for event in found if isinstance(event, Event) and event.subject == str(image.id)]
        assert done.status == "complete"
        assert told == sorted(told)
        assert told[-1] == 100
        assert [event.type for event in ours] == ORDER[-len(ours) :]  # the first may be older than the subscription

        start = ours[0].cursor
        replayed: list[Event | Reset] = []
        async with aclosing(client.events(cursor=start)) as items:
            async for item in items:
                replayed.append(item)
                if is_ready(item, again):
                    break
        assert replayed == found[found.index(ours[0]) + 1 : found.index(replayed[-1]) + 1]


async def test_direct_uploads(connection: Connection, picture: Picture) -> None:
    async with AsyncClient(connection) as client:
        image = await client.upload_direct(picture(110), name="direct.png", priority="high")
        again = await client.upload_direct(picture(110), name="again.png")
        done = await client.wait(image.id, 60)
        with pytest.raises(Rejected):
            await client.upload_direct(b"no picture", name="no.png")

    assert (image.created, image.name, image.priority) == (True, "direct.png", "high")
    assert (again.created, again.id) == (False, image.id)
    assert done.status == "complete"


async def test_a_cursor_that_means_nothing_is_a_reset(connection: Connection) -> None:
    async with AsyncClient(connection) as client, aclosing(client.events(cursor="1.1")) as items:
        first = await anext(items)
    assert isinstance(first, Reset)
    assert first.reason == "other_epoch"


async def test_no_event_is_lost_when_the_notifier_dies(
    connection: Connection, patient: RetryPolicy, picture: Picture, data: Path
) -> None:
    async with AsyncClient(connection, policy=patient) as client, listening(client) as found:
        await client.wait((await client.upload(picture(200))).id, 60)
        kill(data, "notifier")
        images = [await client.upload(picture(number)) for number in range(201, 211)]
        finished = [await client.wait(image.id, 90) for image in images]
        assert {image.status for image in finished} == {"complete"}
        wanted = {(str(image.id), kind) for image in images for kind in ORDER}
        await until(lambda: wanted <= {(event.subject, event.type) for event in found if isinstance(event, Event)}, 60)
        ids = [event.id for event in found if isinstance(event, Event)]
        assert len(ids) == len(set(ids))
        assert not [item for item in found if isinstance(item, Reset)]


async def test_uploads_survive_the_death_of_the_gateway(
    connection: Connection, patient: RetryPolicy, picture: Picture, data: Path
) -> None:
    async with AsyncClient(connection, policy=patient) as client:
        await client.queue()
        kill(data, "gateway")
        images = await asyncio.gather(*(client.upload(picture(number)) for number in range(300, 308)))
        assert len({image.id for image in images}) == 8
        finished = await asyncio.gather(*(client.wait(image.id, 90) for image in images))
        assert {image.status for image in finished} == {"complete"}


def test_the_synchronous_twin(connection: Connection, picture: Picture, tmp_path: Path) -> None:
    with Client(connection) as client:
        image = client.wait(client.upload(picture(400), name="sync.png").id, 60)
        assert image.status == "complete"
        assert client.download(image.original, tmp_path / "o.png").read_bytes() == picture(400)
        with pytest.raises(Rejected, match=r"JPEG, PNG"):
            client.upload(b"no picture at all")
        client.delete(image.id)
