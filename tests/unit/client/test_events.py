"""The event stream: coming back by close code, with its cursor, each event once."""

from __future__ import annotations

import json
import time
from contextlib import aclosing

import pytest
from tests.unit.client.fake import TOKEN, FakeServer, busy, script
from tests.unit.client.fake_answers import problem
from tests.unit.client.support import first, ids

from heliograph_client import AsyncClient, Connection, Event, RetryPolicy
from heliograph_client.errors import EventsRefused, ProblemError, Unauthorised, Unreachable
from heliograph_client.events import EventStream


async def test_an_event_arrives_typed(fake: FakeServer, client: AsyncClient) -> None:
    fake.sockets.append(script(fake.event(5, "image.ready", "some-image")))
    [event] = await first(client, 1)
    assert isinstance(event, Event)
    assert (event.type, event.subject, event.cursor) == ("image.ready", "some-image", "1.5")
    assert event.data["progress"] == 100
    assert fake.subscriptions[0]["token"] == f"Bearer {TOKEN}"


async def test_cursor_and_types_are_asked_for(fake: FakeServer, client: AsyncClient) -> None:
    fake.sockets.append(script(fake.event(8)))
    await first(client, 1, cursor="1.7", types=["image.*"])
    assert fake.subscriptions[0] | {"token": ""} == {
        "op": "subscribe",
        "types": ["image.*"],
        "cursor": "1.7",
        "token": "",
    }


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 4100, 4200])
async def test_comes_back_with_the_cursor_of_the_last_event(fake: FakeServer, client: AsyncClient, code: int) -> None:
    fake.sockets += [script(fake.event(1), fake.event(2), close=code), script(fake.event(3))]
    assert ids(await first(client, 3)) == ["event-1", "event-2", "event-3"]
    assert [each.get("cursor") for each in fake.subscriptions] == [None, "1.2"]


async def test_a_lost_connection_without_a_close_frame(fake: FakeServer, client: AsyncClient) -> None:
    async def breaks(socket: object, _subscription: object) -> None:
        await socket.send(fake.event(1))  # type: ignore[attr-defined]
        socket.transport.abort()  # type: ignore[attr-defined]

    fake.sockets += [breaks, script(fake.event(2))]
    assert ids(await first(client, 2)) == ["event-1", "event-2"]
    assert fake.subscriptions[1]["cursor"] == "1.1"


async def test_a_cursor_is_kept_even_before_the_first_event(fake: FakeServer, client: AsyncClient) -> None:
    """What happens between two connections must not be lost because nothing had happened during the first."""
    fake.sockets += [script(close=1012), script(fake.event(1))]
    await first(client, 1)
    assert fake.subscriptions[1]["cursor"] == "1.0"


async def test_repeats_are_dropped_by_id(fake: FakeServer, client: AsyncClient) -> None:
    fake.sockets += [
        script(fake.event(1), fake.event(2), close=4200),
        script(fake.event(2), fake.event(3), fake.event(3)),
    ]
    fake.sockets.append(script(fake.event(4)))
    assert ids(await first(client, 3)) == ["event-1", "event-2", "event-3"]


async def test_a_reset_is_surfaced_and_its_cursor_used(fake: FakeServer, client: AsyncClient) -> None:
    reset = json.dumps({"op": "reset", "reason": "too_old", "cursor": "2.40"})
    fake.sockets += [script(reset, close=1012), script(fake.event(41))]
    assert ids(await first(client, 2, cursor="1.3")) == ["reset: too_old", "event-41"]
    assert fake.subscriptions[1]["cursor"] == "2.40"


@pytest.mark.parametrize("code", [1008, 4000, 4001, 4003])
async def test_stops_where_the_server_says_so(fake: FakeServer, client: AsyncClient, code: int) -> None:
    fake.sockets.append(script(close=code, reason="no"))
    with pytest.raises(EventsRefused, match=str(code)) as refused:
        await first(client, 1)
    assert refused.value.code == code
    assert len(fake.subscriptions) == 1


async def test_the_hint_of_a_draining_frame_is_waited_for(fake: FakeServer, client: AsyncClient) -> None:
    draining = json.dumps({"op": "draining", "reconnect_in_ms": 300})
    fake.sockets += [script(fake.event(1), draining, close=1012), script(fake.event(2))]
    began = time.monotonic()
    await first(client, 2)
    assert time.monotonic() - began >= 0.3


async def test_backs_off_longer_than_it_comes_back(fake: FakeServer, connection: Connection) -> None:
    policy = RetryPolicy(first=0.1, longest=5)
    async with AsyncClient(connection, policy=policy) as client:
        fake.sockets += [script(fake.event(1), close=4100), script(fake.event(2))]
        began = time.monotonic()
        await first(client, 2)
        backed_off = time.monotonic() - began
    assert backed_off >= 0.8 / 4  # a quarter of 0.1 * 2**3: the least that three failures would wait


async def test_a_refused_handshake_is_a_problem(fake: FakeServer, client: AsyncClient) -> None:
    fake.sockets.append(problem(401, "unauthenticated", "The token has expired."))
    with pytest.raises(Unauthorised, match=r"expired\. Do it right\."):
        await first(client, 1)


async def test_a_busy_server_is_tried_again(fake: FakeServer, client: AsyncClient) -> None:
    fake.sockets += [busy(), busy(429), script(fake.event(1))]
    assert ids(await first(client, 1)) == ["event-1"]


async def test_an_error_frame_is_a_problem(fake: FakeServer, client: AsyncClient) -> None:
    fake.sockets.append(script(json.dumps({"op": "error", "problem": {"status": 400, "detail": "no such type"}})))
    with pytest.raises(ProblemError, match="no such type"):
        await first(client, 1)


async def test_gives_up_where_nothing_ever_answered(policy: RetryPolicy) -> None:
    nowhere = Connection(api="http://127.0.0.1:1", events="ws://127.0.0.1:1/v1/events")
    async with AsyncClient(nowhere, policy=policy) as client:
        with pytest.raises(Unreachable, match="does not answer"):
            await first(client, 1)


async def test_a_quiet_stream_moves_its_cursor_by_pings(
    fake: FakeServer, connection: Connection, policy: RetryPolicy
) -> None:
    async def quiet(socket: object, _subscription: object) -> None:
        assert json.loads(await socket.recv()) == {"op": "ping"}  # type: ignore[attr-defined]
        await socket.send(json.dumps({"op": "pong", "cursor": "1.90"}))  # type: ignore[attr-defined]
        await socket.close(1012)  # type: ignore[attr-defined]

    fake.sockets += [quiet, script(fake.event(91))]
    async with aclosing(EventStream(connection, policy, quiet_seconds=0.05).items()) as items:
        await anext(items)
    assert fake.subscriptions[1]["cursor"] == "1.90"
