"""Dead letters are listed, replayed and dropped, over NATS and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import msgspec
import pytest
from sqlalchemy import Row, func, select
from tests.integration.gateway.support import Picture, change, count, problem, upload

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.dead_letters import DeadLetters
from heliograph_common.clock import utc_now
from heliograph_common.contracts import subjects
from heliograph_common.contracts.envelope import decode, encode, envelope
from heliograph_common.contracts.messages import AnalyzeImage, DeadLetter, RenderImage
from heliograph_common.contracts.word_messages import FindPicture
from heliograph_common.db import work
from heliograph_common.db.engine import Database
from heliograph_common.db.word_models import QueuedWord
from heliograph_common.db.words import entries, pictures
from heliograph_common.db.words.entries import Entry, key_of
from heliograph_common.db.work_models import Work
from heliograph_common.ids import new_id
from heliograph_common.messaging import outbox
from heliograph_gateway.dead_letters.schemas import DeadLetterPage, Replayed

COMMAND = envelope(RenderImage(image_id=UUID(int=7)), owner="ann")


async def bury(
    bus: Bus,
    *,
    service: str = "thumbnailer",
    image_id: UUID | None = None,
    payload: str = "",
    subject: str = "work.render.normal",
) -> int:
    """Puts a dead letter into the stream and returns its sequence."""
    command = envelope(RenderImage(image_id=image_id or new_id()), owner="ann")
    letter = DeadLetter(
        service=service,
        subject=subject,
        headers={"Nats-Msg-Id": str(command.id), "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"},
        payload=payload or encode(command).decode(),
        reason="it crashed",
        error="RenderCrashed",
        deliveries=3,
        died_at=utc_now(),
    )
    acknowledged = await bus.jetstream.publish(subjects.dead(service), encode(envelope(letter, owner="ann")))
    return acknowledged.seq


async def work_of(db: Database, image_id: str) -> Sequence[Row[Any]]:
    """The rows of work on an image."""
    async with db.transaction() as connection:
        return (await connection.execute(select(Work.__table__).where(Work.target == UUID(image_id)))).all()


async def forget_work(db: Database, image_id: str) -> None:
    """As when its work has ended."""
    async with db.transaction() as connection:
        await work.forget(connection, "render", UUID(image_id))


async def test_dead_letters_newest_first_in_pages(admin: httpx2.AsyncClient, bus: Bus) -> None:
    made = [await bury(bus, service="thumbnailer" if n % 3 else "analyzer") for n in range(8)]
    await bus.jetstream.delete_msg("DEAD", made[6])
    pages: list[list[int]] = []
    url: str | None = "/v1/dead-letters?limit=3"
    while url is not None:
        page = (await admin.get(url)).json()
        DeadLetterPage.model_validate(page)
        pages.append([int(letter["id"]) for letter in page["dead_letters"]])
        url = page["next"]
    analyzer = (await admin.get("/v1/dead-letters?service=analyzer")).json()["dead_letters"]

    assert pages == [[made[7], made[5], made[4]], [made[3], made[2], made[1]], [made[0]]]
    assert [letter["service"] for letter in analyzer] == ["analyzer", "analyzer"]
    assert analyzer[0]["trace_id"] == "ab" * 16


async def test_long_gaps_between_dead_letters(admin: httpx2.AsyncClient, bus: Bus) -> None:
    made = [await bury(bus) for _ in range(150)]
    for sequence in made[1:140]:
        await bus.jetstream.delete_msg("DEAD", sequence)
    found = await DeadLetters(bus).page(before=None, service=None, limit=200)

    assert [letter.sequence for letter in found] == [*made[:139:-1], made[0]]


async def test_no_dead_letters(admin: httpx2.AsyncClient, bus: Bus) -> None:
    assert (await admin.get("/v1/dead-letters")).json() == {"dead_letters": [], "next": None}
    assert (await admin.get("/v1/dead-letters/1")).status_code == 404
    assert (await admin.delete("/v1/dead-letters/1")).status_code == 404
    assert (await admin.post("/v1/dead-letters/1/replay")).status_code == 404
    await bus.jetstream.purge_stream("DEAD")
    sequence = await bury(bus)
    assert (await admin.get(f"/v1/dead-letters/{sequence}")).json()["reason"] == "it crashed"
    assert (await admin.delete(f"/v1/dead-letters/{sequence}")).status_code == 204
    assert (await admin.delete(f"/v1/dead-letters/{sequence}")).status_code == 404
    assert (await admin.get("/v1/dead-letters")).json()["dead_letters"] == []


async def test_a_replay_sends_the_message_anew_and_closes_the_circuit(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    image = await upload(ann, picture(), priority="low")
    await change(db, image["id"], processing_status="failed", processing_error="crashed")
    await forget_work(db, image["id"])
    sequence = await bury(bus, image_id=UUID(image["id"]))
    original = (await admin.get(f"/v1/dead-letters/{sequence}")).json()
    replayed = await admin.post(f"/v1/dead-letters/{sequence}/replay")

    assert replayed.status_code == 202, replayed.text
    Replayed.model_validate(replayed.json())
    assert replayed.json()["circuit_closed"] is True
    assert await count(bus, "WORK", "work.render.normal", expected=1) == 1
    sent = await bus.jetstream.get_msg("WORK", seq=1, subject="work.render.normal", next=True)
    again = decode(sent.data or b"")
    assert str(again.id) == (sent.headers or {})["Nats-Msg-Id"] == replayed.json()["message_id"]
    assert str(again.id) != original["headers"]["Nats-Msg-Id"]
    assert again.data == msgspec.json.decode(original["payload"])["data"]
    assert (await ann.get(f"/v1/images/{image['id']}")).json()["status"] == "pending"
    assert await count(bus, "EVENTS", "events.image.retried", expected=1) == 1
    assert (await admin.post(f"/v1/dead-letters/{sequence}/replay")).status_code == 404


async def test_a_replayed_image_has_its_row_of_work(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    image = await upload(ann, picture())
    await change(db, image["id"], processing_status="failed", processing_error="crashed")
    await forget_work(db, image["id"])
    replayed = await admin.post(f"/v1/dead-letters/{await bury(bus, image_id=UUID(image['id']))}/replay")

    assert replayed.json()["circuit_closed"] is True
    (row,) = await work_of(db, image["id"])
    assert (row.kind, row.owner, row.subject) == ("render", "ann", "work.render.normal")
    assert (str(row.command_id), row.attempts, row.failures) == (replayed.json()["message_id"], 0, 0)


async def test_two_letters_of_one_image_queue_it_once(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    image = await upload(ann, picture(), priority="low")
    await change(db, image["id"], processing_status="failed", processing_error="crashed")
    await forget_work(db, image["id"])
    letters = [await bury(bus, image_id=UUID(image["id"])) for _ in range(2)]
    answers = [(await admin.post(f"/v1/dead-letters/{sequence}/replay")).json() for sequence in letters]

    assert [answer["circuit_closed"] for answer in answers] == [True, False]
    assert answers[0]["message_id"] == answers[1]["message_id"]
    (row,) = await work_of(db, image["id"])
    assert row.again is False
    await count(bus, "WORK", "work.render.normal", expected=1)
    async with db.transaction() as connection:  # nothing more is on its way
        assert (await outbox.depth(connection)).rows == 0
    assert await count(bus, "WORK", "work.render.normal", expected=1) == 1
    assert (await admin.get("/v1/dead-letters")).json()["dead_letters"] == []


async def test_a_letter_that_is_replayed_while_its_work_is_in_hand(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    image = await upload(ann, picture())
    image_id = UUID(image["id"])
    async with db.transaction() as connection:
        lease = await work.begin(
            connection, "render", image_id, message_id=new_id(), by="worker", hold=timedelta(minutes=1)
        )
    answer = await admin.post(f"/v1/dead-letters/{await bury(bus, image_id=image_id)}/replay")

    assert (answer.status_code, answer.json()["circuit_closed"]) == (202, False)
    (row,) = await work_of(db, image["id"])
    assert lease is not None
    assert (row.again, row.fence, row.leased_by) == (True, lease.fence, "worker")


async def test_a_replay_of_an_analysis(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    image = await upload(ann, picture())
    await change(db, image["id"], processing_status="failed", processing_error="crashed")
    command = envelope(AnalyzeImage(image_id=UUID(image["id"]), profile="plain"), owner="ann")
    sequence = await bury(bus, service="analyzer", payload=encode(command).decode(), subject="work.analyze.plain")
    told = (await admin.get(f"/v1/dead-letters/{sequence}")).json()
    replayed = await admin.post(f"/v1/dead-letters/{sequence}/replay")

    assert (replayed.status_code, replayed.json()["circuit_closed"]) == (202, False)
    assert told["image_id"] == image["id"]
    assert await count(bus, "WORK", "work.analyze.plain", expected=1) == 1
    sent = await bus.jetstream.get_msg("WORK", seq=1, subject="work.analyze.plain", next=True)
    again = decode(sent.data or b"")
    assert (again.type, again.owner, again.data) == ("analyze.image", "ann", command.data)
    assert str(again.id) == replayed.json()["message_id"] != str(command.id)
    assert [row.command_id for row in await work_of(db, image["id"]) if row.kind == "analyze"] == [again.id]
    assert (await ann.get(f"/v1/images/{image['id']}")).json()["status"] == "failed"


async def test_a_replay_of_the_search_for_a_word(admin: httpx2.AsyncClient, db: Database, bus: Bus) -> None:
    key = key_of("4711")
    async with db.transaction() as connection:
        await entries.write(connection, {"4711": Entry("4711", "gull", "en")})
        await pictures.miss(connection, key, code="provider_failed", reason="it crashed", keep=timedelta(days=1))
    command = envelope(FindPicture(word_key=key), owner="words")
    payload = encode(command).decode()
    for closed in (True, False):  # the second time it is queued already
        sequence = await bury(bus, service="importer", payload=payload, subject="work.words.search")
        assert (await admin.get(f"/v1/dead-letters/{sequence}")).json()["image_id"] is None
        replayed = await admin.post(f"/v1/dead-letters/{sequence}/replay")
        assert (replayed.status_code, replayed.json()["circuit_closed"]) == (202, closed)
    assert await count(bus, "WORK", "work.words.search", expected=1) == 1
    assert [(row.kind, row.subject) for row in await work_of(db, str(key))] == [("word", "work.words.search")]
    async with db.transaction() as connection:
        (queued,) = (await connection.execute(select(QueuedWord.__table__))).all()
        word = await entries.find(connection, "4711")
    assert (queued.word_key, queued.status, queued.task) == (key, "sent", "search")
    assert word is not None
    assert word.search_again_at is None


UNKNOWN: list[tuple[str, str]] = [
    ("none", "garbage"),
    ("no envelope", "{}"),
    ("no text", "\x00\ufffd"),
    ("unknown type", encode(msgspec.structs.replace(COMMAND, type="paint.image")).decode()),
    ("newer", encode(msgspec.structs.replace(COMMAND, version=99)).decode()),
    ("no image", encode(msgspec.structs.replace(COMMAND, data={})).decode()),
]


@pytest.mark.parametrize(("_what", "payload"), UNKNOWN, ids=[what for what, _ in UNKNOWN])
async def test_a_letter_whose_message_is_no_known_command_is_not_replayed(
    admin: httpx2.AsyncClient, db: Database, bus: Bus, _what: str, payload: str
) -> None:
    sequence = await bury(bus, payload=payload)
    answer = await admin.post(f"/v1/dead-letters/{sequence}/replay")

    problem(answer, "conflict")
    assert (await admin.get(f"/v1/dead-letters/{sequence}")).json()["payload"] == payload
    async with db.transaction() as connection:
        assert (await connection.execute(select(func.count()).select_from(Work))).scalar_one() == 0
