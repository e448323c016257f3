"""Events of one image that entered the stream out of their order: sockets tell them with their revisions, and the client
hands them out in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from tests.integration.notifier.support import Notifier, tell, token

from heliograph_client import AsyncClient, Client, Connection, Event, Reset
from heliograph_common.bus.connection import Bus
from heliograph_common.clock import utc_now
from heliograph_common.contracts.messages import ImageDeleted, ImageEvent, ImageReady, ImageRetried, Stages
from heliograph_common.ids import new_id

LAST = "the last one"


def life(revisions: Sequence[int]) -> list[ImageEvent]:
    """Events of one image in this order; the last revision is that of its deletion."""
    facts: dict[str, Any] = {"image_id": new_id(), "name": "a.jpg", "progress": 20, "stages": Stages()}
    return [
        ImageDeleted(**facts, revision=each) if each == max(revisions) else ImageRetried(**facts, revision=each)
        for each in revisions
    ]


def end() -> ImageEvent:
    """The event after which a reader stops."""
    return ImageReady(image_id=new_id(), name=LAST, progress=100, stages=Stages(), revision=1, accepted_at=utc_now())


@pytest.fixture
def connection(notifier: Notifier) -> Connection:
    """Where the notifier is; there is no gateway."""
    url = f"ws://127.0.0.1:{notifier.port}/v1/events"
    return Connection(api="http://127.0.0.1:1", events=url, token=token("ann"))


@pytest.fixture
async def start(notifier: Notifier) -> str:
    """The cursor before all events of the test."""
    async with notifier.subscribed("ann") as socket:
        return socket.cursor


async def taken(items: AsyncIterator[Event | Reset]) -> list[tuple[str | None, str, int]]:
    """Image, type and revision of each event up to the last one."""
    found = []
    async with asyncio.timeout(60):
        async for item in items:
            assert isinstance(item, Event)
            if item.data["name"] == LAST:
                break
            found.append((item.subject, item.type, item.revision))
    return found


async def test_a_client_hands_them_out_in_order(bus: Bus, connection: Connection, start: str) -> None:
    late, other = life([3, 1, 2, 3, 5, 4]), life([1, 2, 3])
    await tell(bus, "ann", *(body for pair in zip(late, [*other, *other], strict=True) for body in pair), end())
    async with AsyncClient(connection) as client, aclosing(client.events(cursor=start)) as events:
        found = await taken(events)
    ours = [(kind, revision) for subject, kind, revision in found if subject == str(late[0].image_id)]
    theirs = [revision for subject, _, revision in found if subject == str(other[0].image_id)]
    assert ours == [("image.retried", 3), ("image.retried", 3), ("image.deleted", 5)]
    assert theirs == [1, 2, 3, 3]


async def test_so_does_one_without_an_event_loop(bus: Bus, connection: Connection, start: str) -> None:
    await tell(bus, "ann", *life([2, 1, 4, 3]), end())

    def read() -> list[int]:
        found = []
        with Client(connection) as client:
            for item in client.events(cursor=start):
                assert isinstance(item, Event)
                if item.data["name"] == LAST:
                    break
                found.append(item.revision)
        return found

    assert await asyncio.to_thread(read) == [2, 4]


async def test_every_frame_says_the_revision(bus: Bus, notifier: Notifier) -> None:
    async with notifier.subscribed("ann") as socket:
        await tell(bus, "ann", *life([2, 1, 3]))
        assert [event["data"]["revision"] for event in await socket.events(3)] == [2, 1, 3]
