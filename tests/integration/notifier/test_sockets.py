"""WebSockets: both subprotocols, tokens, origins, frames, limits."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest
from pydantic import SecretStr
from tests.contracts.make_samples import samples
from tests.integration.notifier.support import AUTH, READY, Notifier, Publisher, StartNotifier, tell, token
from websockets.exceptions import InvalidStatus

from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.import_messages import ImportEvent
from heliograph_common.contracts.word_messages import WordEvent
from heliograph_common.ids import new_id
from heliograph_common.settings import AuthSettings

OTHER_ISSUER = AUTH.model_copy(update={"issuer": "someone else"})
OTHER_SECRET = AuthSettings(secret=SecretStr("another secret, which is long enough as well"))


async def refusal(notifier: Notifier, subprotocol: str = "heliograph.v1", **how: object) -> tuple[int, str]:
    """Status and detail of a refused handshake."""
    with pytest.raises(InvalidStatus) as refused:
        async with notifier.socket(subprotocol, **how):  # type: ignore[arg-type]
            pass
    response = refused.value.response
    assert response.headers["content-type"] == "application/problem+json"
    problem = msgspec.json.decode(response.body)
    assert problem["status"] == response.status_code
    return response.status_code, problem["detail"]


async def test_cloudevents_is_events_and_nothing_else(notifier: Notifier, publish: Publisher) -> None:
    async with notifier.socket("cloudevents.json", token=token("ann")) as socket:
        assert socket.connection.subprotocol == "cloudevents.json"
        await notifier.joined()
        await publish("ann", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        [event] = await socket.events(1)
    assert event["specversion"] == "1.0"
    assert event["type"] == READY
    assert event["source"] == "/heliograph"
    assert event["id"] == publish.sent["ann"][0]
    assert event["subject"] == event["data"]["image_id"]
    assert event["owner"] == "ann"
    assert event["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert event["cursor"].endswith(".1")
    assert event["data"]["progress"] == 100


async def test_cloudevents_takes_no_frames(notifier: Notifier) -> None:
    async with notifier.socket("cloudevents.json", token=token("ann")) as socket:
        await socket.say("ping")
        code, _ = await socket.closed()
    assert code == 4000


async def test_cloudevents_needs_the_header(notifier: Notifier) -> None:
    status, detail = await refusal(notifier, "cloudevents.json")
    assert status == 401
    assert "heliograph.v1" in detail


async def test_token_in_the_first_frame(notifier: Notifier, publish: Publisher) -> None:
    async with notifier.socket() as socket:
        await socket.say("auth", token=token("ann"))
        assert (await socket.expect("auth_ok"))["subject"] == "ann"
        await socket.say("subscribe")
        await socket.expect("ready")
        ids = await publish("ann")
        assert await socket.ids(1) == ids


async def test_no_token_in_time(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(auth_seconds=0.3)
    async with notifier.socket() as socket:
        assert (await socket.closed())[0] == 4008


async def test_subscribing_before_the_token(notifier: Notifier) -> None:
    async with notifier.socket() as socket:
        await socket.say("subscribe")
        assert (await socket.closed())[0] == 4001


BAD_TOKENS = {
    "expired": token("ann", lifetime=timedelta(minutes=-5)),
    "issuer": token("ann", auth=OTHER_ISSUER),
    "signature": token("ann", auth=OTHER_SECRET),
    "malformed": "not.a.token",
    "algorithm": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.",
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_bad_token_in_the_header(notifier: Notifier, kind: str) -> None:
    for subprotocol in ("heliograph.v1", "cloudevents.json"):
        status, _ = await refusal(notifier, subprotocol, token=BAD_TOKENS[kind])
        assert status == 401


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_bad_token_in_the_frame(notifier: Notifier, kind: str) -> None:
    async with notifier.socket() as socket:
        await socket.say("auth", token=BAD_TOKENS[kind])
        assert (await socket.closed())[0] == 4001


async def test_token_without_the_scope(notifier: Notifier) -> None:
    writer = token("ann", scopes=["images:write"])
    status, detail = await refusal(notifier, token=writer)
    assert status == 403
    assert "images:read" in detail
    async with notifier.socket() as socket:
        await socket.say("auth", token=writer)
        assert (await socket.closed())[0] == 4003


@pytest.mark.parametrize("name", ["token", "access_token"])
async def test_token_in_the_url(notifier: Notifier, name: str) -> None:
    status, detail = await refusal(notifier, query=f"?{name}={token('ann')}", token=token("ann"))
    assert status == 400
    assert "logs" in detail


async def test_unknown_subprotocol_and_path(notifier: Notifier) -> None:
    status, detail = await refusal(notifier, "graphql-ws", token=token("ann"))
    assert status == 400
    assert "cloudevents.json" in detail


async def test_expiry_closes_a_live_socket(notifier: Notifier) -> None:
    async with notifier.socket("cloudevents.json", token=token("ann", lifetime=timedelta(seconds=1))) as socket:
        assert (await socket.closed())[0] == 4002


async def test_renewal_in_place(notifier: Notifier, publish: Publisher) -> None:
    async with notifier.socket(token=token("ann", lifetime=timedelta(seconds=2))) as socket:
        first = (await socket.expect("auth_ok"))["expires_at"]
        await socket.say("subscribe")
        await socket.expect("ready")
        await socket.say("auth", token=token("ann"))
        assert (await socket.expect("auth_ok"))["expires_at"] > first
        await asyncio.sleep(2.5)  # longer than the first token lasts
        ids = await publish("ann")
        assert await socket.ids(1) == ids


async def test_renewal_by_another_subject(notifier: Notifier) -> None:
    async with notifier.subscribed("ann") as socket:
        await socket.say("auth", token=token("bob"))
        assert (await socket.closed())[0] == 4003


async def test_owners_see_only_their_own(notifier: Notifier, publish: Publisher) -> None:
    async with notifier.subscribed("ann") as ann, notifier.subscribed("bob") as bob:
        for _ in range(20):
            await publish("ann")
            await publish("bob", 2)
        assert await ann.ids(20) == publish.sent["ann"]
        assert await bob.ids(40) == publish.sent["bob"]
        await ann.silent(publish)
        await bob.silent(publish)


async def test_events_of_imports_are_their_owners_only(notifier: Notifier, bus: Bus, publish: Publisher) -> None:
    bodies = [body for body in samples() if isinstance(body, ImportEvent)]
    own = str(bodies[0].import_id)
    async with (
        notifier.subscribed("ann") as ann,
        notifier.subscribed("bob") as bob,
        notifier.subscribed("root", scopes=["admin"], all_owners=True) as everyone,
        notifier.subscribed("ann", types=["import.completed"]) as ends,
        notifier.subscribed("ann", import_ids=[own]) as one,
        notifier.subscribed("ann", image_ids=[own.replace("0", "f")]) as images,
    ):
        await tell(bus, "ann", *bodies)
        types = [f"dev.heliograph.{body.type}" for body in bodies]
        for socket in (ann, everyone, one):
            events = await socket.events(len(bodies))
            assert [event["type"] for event in events] == types
            assert {(event["owner"], event["subject"]) for event in events} == {("ann", own)}
            assert events[-1]["data"]["counts"]["imported"] == 780
        assert [event["type"] for event in await ends.events(1)] == ["dev.heliograph.import.completed"]
        await publish("ann")
        for socket in (bob, ends, one, images):
            await socket.silent(publish)


async def test_events_of_words_are_everyones(notifier: Notifier, bus: Bus, publish: Publisher) -> None:
    bodies = [body for body in samples() if isinstance(body, WordEvent)]
    types = [f"dev.heliograph.{body.type}" for body in bodies]
    query = f"?word_ids=4711&image_ids={new_id()}"
    async with (
        notifier.subscribed("ann") as ann,
        notifier.socket("cloudevents.json", token=token("bob"), query=query) as bob,
        notifier.subscribed("root", scopes=["admin"], all_owners=True) as everyone,
        notifier.subscribed("ann", word_ids=["4712"]) as another,
        notifier.subscribed("ann", types=["word.image_removed"]) as ends,
    ):
        beginning = ann.cursor
        await notifier.joined(5)
        await tell(bus, "words", *bodies)
        for socket in (ann, bob, everyone):
            events = await socket.events(len(bodies))
            assert [event["type"] for event in events] == types
            assert {event["subject"] for event in events} == {"4711"}
        assert [event["type"] for event in await ends.events(1)] == ["dev.heliograph.word.image_removed"]
        await publish("cy")
        for socket in (ann, another, ends):
            await socket.silent(publish)
    async with notifier.subscribed("dan", cursor=beginning) as late:  # they are replayed too
        assert [event["type"] for event in await late.events(len(bodies))] == types


async def test_owners_replay_only_their_own(start_notifier: StartNotifier, publish: Publisher) -> None:
    notifier = await start_notifier(ring_events=10)  # most comes from the stream, the rest from the ring
    async with notifier.subscribed("ann") as socket:
        beginning = socket.cursor
    for _ in range(20):
        await publish("ann")
        await publish("bob", 2)
    for owner in ("ann", "bob"):
        async with notifier.subscribed(owner, cursor=beginning) as socket:
            assert await socket.ids(len(publish.sent[owner])) == publish.sent[owner]
            await socket.silent(publish)


async def test_administrators_may_ask_for_all_owners(notifier: Notifier, publish: Publisher) -> None:
    async with (
        notifier.subscribed("root", scopes=["admin"], all_owners=True) as everyone,
        notifier.subscribed("root", scopes=["admin"]) as own,
    ):
        ids = await publish("ann") + await publish("bob")
        assert await everyone.ids(2) == ids
        await own.silent(publish)


async def test_others_may_not_ask_for_all_owners(notifier: Notifier, publish: Publisher) -> None:
    status, _ = await refusal(notifier, "cloudevents.json", token=token("ann"), query="?all_owners=true")
    assert status == 403
    async with notifier.socket(token=token("ann")) as socket:
        await socket.expect("auth_ok")
        await socket.say("subscribe", all_owners=True)
        assert (await socket.expect("error"))["problem"]["status"] == 403
        await socket.say("subscribe")
        await socket.expect("ready")
        await socket.say("filter", all_owners=True)
        assert (await socket.expect("error"))["problem"]["status"] == 403
        await publish("bob")
        await socket.silent(publish)


async def test_an_administrator_who_is_none_any_more_loses_the_others(notifier: Notifier) -> None:
    async with notifier.subscribed("root", scopes=["admin"], all_owners=True) as socket:
        await socket.say("auth", token=token("root"))
        assert (await socket.closed())[0] == 4003


async def test_filters_narrow(notifier: Notifier, publish: Publisher) -> None:
    async with notifier.subscribed("ann", types=["image.failed"]) as socket:
        await publish("ann")
        await socket.silent(publish)
        await socket.say("filter", types=["image.*"])
        await socket.silent(publish)
        ids = await publish("ann")
        assert await socket.ids(1) == ids
        await socket.say("filter", image_ids=["00000000-0000-0000-0000-000000000000"])
        await socket.silent(publish)
        await publish("ann")
        await socket.silent(publish)


async def test_filters_in_the_query(notifier: Notifier, publish: Publisher) -> None:
    async with notifier.socket("cloudevents.json", token=token("ann"), query="?types=image.failed,image.stored") as no:
        async with notifier.socket("cloudevents.json", token=token("ann"), query=f"?types={READY}") as yes:
            await notifier.joined(2)
            ids = await publish("ann")
            assert await yes.ids(1) == ids
        with pytest.raises(TimeoutError):
            await no.receive(timeout=0.5)


@pytest.mark.parametrize(
    "frame", ["", "{", "[]", '{"op":"dance"}', '{"op":"subscribe","types":"x"}', '{"op":"subscribe","nope":1}', "\x00"]
)
async def test_malformed_frames(notifier: Notifier, publish: Publisher, frame: str) -> None:
    async with notifier.subscribed("ann") as socket:
        await socket.connection.send(frame)
        assert (await socket.expect("error"))["problem"]["status"] == 400
        ids = await publish("ann")
        assert await socket.ids(1) == ids
    async with notifier.socket() as socket:
        await socket.connection.send(frame)
        assert (await socket.closed())[0] == 4000


async def test_binary_frames_are_malformed(notifier: Notifier) -> None:
    async with notifier.subscribed("ann") as socket:
        await socket.connection.send(b'{"op":"ping"}')
        assert (await socket.expect("error"))["problem"]["status"] == 400


async def test_oversized_frames(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(frame_bytes=1024)
    async with notifier.subscribed("ann") as socket:
        await socket.connection.send("x" * 2000)
        assert (await socket.closed())[0] == 1009


async def test_too_many_frames(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(frames_per_minute=5)
    async with notifier.subscribed("ann") as socket:
        for _ in range(10):
            await socket.say("ping")
        assert (await socket.closed())[0] == 1008


async def test_origins(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(origins=["https://app.example"])
    for allowed in ("https://app.example", f"http://127.0.0.1:{notifier.port}"):
        async with notifier.socket(token=token("ann"), headers={"Origin": allowed}) as socket:
            await socket.expect("auth_ok")
    for foreign in ("https://evil.example", "null", "https://app.example.evil.example"):
        status, _ = await refusal(notifier, token=token("ann"), headers={"Origin": foreign})
        assert status == 403


async def test_limit_of_one_principal(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(per_principal=2)
    async with notifier.subscribed("ann"), notifier.subscribed("bob"):
        async with notifier.subscribed("ann"), notifier.socket(token=token("ann")) as third:
            assert (await third.closed())[0] == 1013
        await asyncio.sleep(0.1)  # until the server has noticed that one left
        async with notifier.subscribed("ann"):
            pass


async def test_limit_of_the_process(start_notifier: StartNotifier) -> None:
    notifier = await start_notifier(total=1)
    async with notifier.socket(), notifier.socket() as second:
        assert (await second.closed())[0] == 1013


async def test_a_refusal_is_no_error_of_ours(notifier: Notifier, caplog: pytest.LogCaptureFixture) -> None:
    await refusal(notifier, token="nonsense")
    await asyncio.sleep(0.1)  # time to log, which would be wrong
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
