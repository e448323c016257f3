"""Events of one image in the order of its revisions, through reconnects and resets."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, closing

import pytest
from tests.polling import until
from tests.unit.client.fake import FakeServer, script
from tests.unit.client.support import first, ids, reads

from heliograph_client import AsyncClient, Client, Connection, Event, RetryPolicy
from heliograph_client.models import Image, Stages
from heliograph_client.revisions import Revisions


def test_what_is_older_does_not_pass() -> None:
    revisions = Revisions(10)
    passed = [revisions.take("a", each) for each in (3, 2, 3, 5, 4, 1)]
    assert passed == [True, False, True, True, False, False]
    assert revisions.take("b", 1)  # another image's revisions are its own


@pytest.mark.parametrize(("subject", "revision"), [("a", 0), (None, 1), ("a", -1)])
def test_what_says_no_revision_always_passes(subject: str | None, revision: int) -> None:
    revisions = Revisions(10)
    assert revisions.take("a", 9)
    assert revisions.take(subject, revision)
    assert not revisions.take("a", 8)  # and changes nothing


def test_the_image_that_was_heard_of_longest_ago_is_forgotten() -> None:
    revisions = Revisions(2)
    for subject, revision in (("a", 5), ("b", 5), ("a", 4), ("c", 5)):  # even an old event of "a" keeps it in mind
        revisions.take(subject, revision)
    assert not revisions.take("a", 4)
    assert revisions.take("b", 4)


@pytest.mark.parametrize(
    ("data", "revision"), [({"revision": 7}, 7), ({}, 0), ({"revision": None}, 0), ({"revision": "7"}, 0)]
)
def test_the_revision_of_an_event(data: dict[str, object], revision: int) -> None:
    assert Event(id="1", type="image.ready", data=data).revision == revision


def test_an_image_of_an_older_server_has_none(fake: FakeServer) -> None:
    image = fake.add_image()
    del image["revision"]
    assert Image.model_validate(image).revision == 0
    assert Image.model_validate(image | {"revision": 4}).revision == 4


async def test_events_that_come_too_late_are_dropped(fake: FakeServer, client: AsyncClient) -> None:
    fake.sockets.append(
        script(
            fake.event(1, "image.ready", "a", revision=4),
            fake.event(2, "image.stored", "a", revision=1),
            fake.event(3, "image.stored", "b", revision=1),
            fake.event(4, "image.variants_ready", "a", revision=4),
            fake.event(5, "image.deleted", "a", revision=5),
            fake.event(6, "image.ready", "a", revision=4),
            fake.event(7, "image.stored", "a"),
        )
    )
    assert ids(await first(client, 5)) == ["event-1", "event-3", "event-4", "event-5", "event-7"]


async def test_the_cursor_moves_past_what_is_dropped(fake: FakeServer, client: AsyncClient) -> None:
    late = script(fake.event(1, subject="a", revision=4), fake.event(2, subject="a", revision=1), close=1012)
    fake.sockets += [late, script(fake.event(3, subject="a", revision=4))]
    assert ids(await first(client, 2)) == ["event-1", "event-3"]
    assert fake.subscriptions[1]["cursor"] == "1.2"


async def test_a_reset_forgets_no_revision(fake: FakeServer, client: AsyncClient) -> None:
    reset = json.dumps({"op": "reset", "reason": "too_old", "cursor": "1.8"})
    fake.sockets += [
        script(fake.event(1, subject="a", revision=4), close=1012),
        script(reset, fake.event(9, subject="a", revision=3), fake.event(10, subject="a", revision=5)),
    ]
    assert ids(await first(client, 3)) == ["event-1", "reset: too_old", "event-10"]


def test_without_an_event_loop_too(fake: FakeServer, connection: Connection, policy: RetryPolicy) -> None:
    numbers = ((1, 4), (2, 1), (3, 5))
    fake.sockets.append(script(*(fake.event(number, subject="a", revision=each) for number, each in numbers)))
    with Client(connection, policy=policy) as client, closing(client.events()) as events:  # type: ignore[type-var]
        assert ids([next(events), next(events)]) == ["event-1", "event-3"]


async def test_what_a_wait_tells_never_goes_back(fake: FakeServer, client: AsyncClient) -> None:
    """The image was read when it was further than the stream."""
    image = fake.add_image(status="pending")
    image |= {"revision": 3, "progress": 60}
    told: list[int] = []
    waiting = asyncio.create_task(client.wait(image["id"], on_stage=lambda progress, _: told.append(progress)))
    await until(lambda: fake.subscriptions and reads(fake, image["id"]) >= 2)
    early = Stages().model_dump()
    fake.broadcast(fake.event(1, "image.stored", image["id"], revision=1, progress=20, stages=early))
    fake.broadcast(fake.event(2, "image.variants_ready", image["id"], revision=4, progress=90, stages=early))
    await until(lambda: 90 in told)
    fake.finish(image["id"])
    image["revision"] = 4
    fake.broadcast(fake.event(3, "image.ready", image["id"], revision=4))
    assert (await waiting).status == "complete"
    assert 20 not in told
    assert told == sorted(told)


async def test_two_streams_know_nothing_of_each_other(fake: FakeServer, client: AsyncClient) -> None:
    """Whoever reads the past anew sees all of it."""
    fake.sockets += [script(fake.event(2, subject="a", revision=4)), script(fake.event(1, subject="a", revision=1))]
    assert ids(await first(client, 1)) == ["event-2"]
    async with aclosing(client.events(cursor="1.0")) as events:
        assert ids([await anext(events)]) == ["event-1"]
