"""Pictures of words: shown, waited for, exchanged, named, removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import insert, text
from tests.integration.gateway.support import Gateway, change, count, problem, running, upload
from tests.integration.gateway.words.support import choose, miss, photo, put, queued, word

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.db import provider_states
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Rendition
from heliograph_common.db.words import budget, pictures, queue
from heliograph_common.db.words.entries import key_of
from heliograph_common.settings import WordSettings
from heliograph_gateway.settings import GatewaySettings
from heliograph_gateway.words.pictures.schemas import WordPicture
from heliograph_gateway.words.queue.schemas import WaitingShape


async def waiting(client: httpx2.AsyncClient, word_id: str) -> dict[str, Any]:
    """What is told of a word that waits."""
    answer = await client.get(f"/v1/words/{word_id}/image")
    assert answer.status_code == 202, answer.text
    WaitingShape.model_validate_json(answer.content)
    told: dict[str, Any] = answer.json()
    seconds = (datetime.fromisoformat(told["due_at"]) - datetime.now().astimezone()).total_seconds()
    assert 2 <= int(answer.headers["retry-after"]) <= 3600
    assert int(answer.headers["retry-after"]) <= max(2, seconds + 5)
    return told


async def shown(client: httpx2.AsyncClient, word_id: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/words/{word_id}/image")
    assert answer.status_code == 200, answer.text
    WordPicture.model_validate_json(answer.content)
    found: dict[str, Any] = answer.json()
    return found


async def test_a_picture_is_shown_with_its_attribution(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, word("1"))
    await choose(db, "1", photo("p1"), photo("p2"))
    found = await shown(ann, "1")

    assert (found["status"], found["text"], found["query"], found["named"]) == (
        "found",
        "lighthouse",
        "lighthouse",
        False,
    )
    assert found["photo"]["url"] == "https://images.unsplash.com/p1?w=1080"
    credit = found["photo"]["attribution"]
    assert credit["text"] == "Photo by Zoë <b> on Unsplash"
    assert credit["html"] == (
        'Photo by <a href="https://unsplash.com/@zoe?utm_source=a&amp;utm_medium=referral">Zoë &lt;b&gt;</a> on '
        '<a href="https://unsplash.com/photos/p1?utm_source=a&amp;utm_medium=referral">Unsplash</a>'
    )
    assert [each["photo_id"] for each in found["alternatives"]] == ["p2"]
    assert found["stored"] == {"state": "none", "image_id": None, "renditions": [], "expires_at": None, "error": None}
    assert await queued(db, "1") is None, "who looks at a picture queues nothing"


async def test_a_word_without_a_picture_has_a_place_and_moves_to_the_front(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database
) -> None:
    await put(ann, *(word(str(number), rank=number + 1) for number in range(600)))
    assert (await ann.post("/v1/words/sync")).json()["added"] == 600
    async with db.transaction() as connection:
        before = await queue.place_of(connection, key_of("599"))
    first, second = await waiting(ann, "599"), await waiting(bob, "500")
    again = await waiting(ann, "599")

    assert before is not None
    assert before.place == 600
    assert (first["place"], second["place"], again["place"]) == (1, 2, 1)
    assert first["due_at"] <= second["due_at"]
    assert first["waiting_for"] == second["waiting_for"] == "queue"
    assert second["reason"] == "1 word is searched for before this one."
    row = await queued(db, "599")
    assert row is not None
    assert (row.asked_by, row.lane) == ("ann", queue.Lane.ASKED)


async def test_what_a_word_waits_for(ann: httpx2.AsyncClient, db: Database, gateway: Gateway) -> None:
    await put(ann, word("1"))
    assert (await waiting(ann, "1"))["waiting_for"] == "queue"
    async with db.transaction() as connection:
        for _ in range(25):
            made = text("INSERT INTO provider_requests VALUES (gen_random_uuid(), 'unsplash', now(), NULL, 'search')")
            await connection.execute(made)
    spent = await waiting(ann, "1")
    async with db.transaction() as connection:
        await provider_states.pause(connection, "unsplash", reason="the access key was refused", seconds=7200)
    refused = await waiting(ann, "1")
    stats = (await ann.get("/v1/words/stats")).json()["budget"]
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE word_queue SET status = 'active'"))
    attempt = await waiting(ann, "1")

    assert (spent["waiting_for"], refused["waiting_for"], attempt["waiting_for"]) == ("budget", "provider", "attempt")
    assert "the access key was refused" in refused["reason"]
    assert (stats["limit"], stats["used"], stats["reason"]) == (25, 25, "the access key was refused")
    assert stats["next_at"] == stats["paused_until"] == refused["due_at"]
    assert spent["due_at"] < refused["due_at"]


async def test_a_miss_is_remembered_until_its_time(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, word("1"))
    await miss(db, "1")
    for answer in (await ann.get("/v1/words/1/image"), await ann.post("/v1/words/1/image")):
        told = problem(answer, "word-image-not-found")
        assert (answer.status_code, told["code"]) == (404, "no_results")
        assert datetime.fromisoformat(told["search_again_at"])
        assert "no provider has a picture" in told["detail"]
    assert await queued(db, "1") is None
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE words SET search_again_at = now() - interval '1 second'"))
    assert (await waiting(ann, "1"))["place"] == 1


async def test_another_picture_is_the_next_best_and_then_a_search(
    ann: httpx2.AsyncClient, db: Database, bus: Bus
) -> None:
    await put(ann, word("1"))
    await choose(db, "1", photo("p1"), photo("p2"), photo("p3", download_location=None))
    second = await ann.post("/v1/words/1/image", json={})
    row = await queued(db, "1")
    third = await ann.post("/v1/words/1/image")
    done = await queued(db, "1")
    searched = await ann.post("/v1/words/1/image", json={})

    assert (second.status_code, second.json()["photo"]["photo_id"]) == (200, "p2")
    assert (third.status_code, third.json()["photo"]["photo_id"]) == (200, "p3")
    assert row is not None
    assert (row.task, row.lane, row.asked_by) == ("download", queue.Lane.UNDER_WAY, "ann")
    assert done is None, "a provider that asks for no download is not told of one"
    assert searched.status_code == 202
    WaitingShape.model_validate_json(searched.content)
    row = await queued(db, "1")
    assert row is not None
    assert (row.task, row.lane) == ("search", queue.Lane.ASKED)
    async with db.transaction() as connection:
        rejected = (await connection.execute(text("SELECT rejected FROM words"))).scalar_one()
    assert rejected == ["unsplash:p1", "unsplash:p2", "unsplash:p3"]
    assert await count(bus, "EVENTS", "events.word.image_found", expected=2) == 2
    assert await count(bus, "EVENTS", "events.word.image_removed", expected=1) == 1


async def test_a_photo_may_be_named(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, word("1"))
    await choose(db, "1", photo("photo-1"), photo("photo-2"))
    known = await ann.post("/v1/words/1/image", json={"photo_id": "photo-2"})
    unknown = await ann.post("/v1/words/1/image", json={"photo_id": "eOLpJytrbsQ"})
    row = await queued(db, "1")

    assert (known.status_code, known.json()["photo"]["photo_id"], known.json()["named"]) == (200, "photo-2", True)
    assert [each["photo_id"] for each in known.json()["alternatives"]] == ["photo-1"], "nobody rejected it"
    assert unknown.status_code == 202
    assert row is not None
    assert (row.task, row.photo_id) == ("photo", "eOLpJytrbsQ")
    assert (await shown(ann, "1"))["photo"]["photo_id"] == "photo-2", "it stays until the other one is there"
    for body in ({"photo_id": "../x"}, {"photo_id": ""}, {"photo_id": "random"}, {"photo_id": 7}, {"photo": "p1"}):
        problem(await ann.post("/v1/words/1/image", json=body), "invalid-body")


async def test_a_word_that_was_missed_can_be_given_a_photo(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, word("1"))
    await miss(db, "1")
    page = "https://unsplash.com/photos/a-lighthouse-eOLpJytrbsQ"
    assert (await ann.post("/v1/words/1/image", json={"photo_id": page})).status_code == 202
    row = await queued(db, "1")
    assert row is not None
    assert (row.task, row.photo_id, row.lane) == ("photo", "eOLpJytrbsQ", queue.Lane.ASKED)
    assert (await waiting(ann, "1"))["place"] == 1, "it was missed, and is looked up now"


async def test_removing_forgets_the_picture_and_the_miss(ann: httpx2.AsyncClient, db: Database, bus: Bus) -> None:
    await put(ann, word("1"), word("2"))
    await choose(db, "1", photo("photo-1"))
    await ann.post("/v1/words/1/image", json={"photo_id": "photo-1"})
    await miss(db, "2")
    for word_id in ("1", "2", "1"):
        assert (await ann.delete(f"/v1/words/{word_id}/image")).status_code == 204
        assert await queued(db, word_id) is None
    assert await count(bus, "EVENTS", "events.word.image_removed", expected=1) == 1
    assert (await ann.post("/v1/words/sync")).json()["added"] == 2
    for method in ("GET", "POST", "DELETE"):
        problem(await ann.request(method, "/v1/words/none/image"), "not-found")


async def test_requests_with_one_key_are_one_request(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, word("1"))
    await choose(db, "1", photo("p1"), photo("p2"), photo("p3"))
    answers = [await ann.post("/v1/words/1/image", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.json()["photo"]["photo_id"] for answer in answers] == ["p2", "p2"]
    assert answers[1].headers["idempotency-replayed"] == "true"


# -- copies ------------------------------------------------------------------------------------------------------------


async def test_a_stored_copy_is_signed_for_everyone_though_its_owner_is_another(
    gateway_settings: GatewaySettings, bus: Bus, db: Database, blobs: MinioBlobs, picture: Callable[..., bytes]
) -> None:
    settings = gateway_settings.model_copy(update={"words": WordSettings(pictures="stored", owner="lexicon")})
    async with (
        running(settings) as gateway,
        gateway.client("ann") as ann,
        gateway.client("bob") as bob,
        gateway.client("lexicon") as owner,
    ):
        await put(ann, word("1"))
        await choose(db, "1", photo("p1"), photo("p2"), store=True)
        pending = await shown(ann, "1")
        image = await upload(owner, picture())
        await _store(db, blobs, image["id"])
        for client in (ann, bob):
            copy = (await shown(client, "1"))["stored"]
            assert (copy["state"], copy["image_id"]) == ("stored", image["id"])
            assert [each["name"] for each in copy["renditions"]] == ["300"], "what is lost is left out"
            async with httpx2.AsyncClient(trust_env=False) as anyone:
                fetched = await anyone.get(copy["renditions"][0]["url"])
            assert (fetched.status_code, fetched.content) == (200, b"jpeg")
            assert (await client.get(f"/v1/images/{image['id']}")).status_code == 404, "the image itself is its owner's"
        await owner.delete(f"/v1/images/{image['id']}")
        assert (await shown(bob, "1"))["stored"]["renditions"] == []
        again = await bob.post("/v1/words/1/image")

    assert pending["stored"]["state"] == "pending"
    assert again.json()["stored"]["state"] == "pending"


async def _store(db: Database, blobs: MinioBlobs, image_id: str) -> None:
    """What an importer and a renderer do."""
    await change(db, image_id, processing_status="complete")
    await blobs.put("renditions/one", b"jpeg", content_type="image/jpeg")
    values = {
        "image_id": UUID(image_id),
        "kind": "thumbnail",
        "width": 300,
        "height": 200,
        "format": "jpeg",
        "bytes": 4,
    }
    async with db.transaction() as connection:
        await pictures.note_stored(connection, key_of("1"), "p1", UUID(image_id))
        for name, key in (("300", "renditions/one"), ("600", "renditions/lost")):
            row = {**values, "name": name, "key": key}
            await connection.execute(insert(Rendition).values(row))


# -- vocabulary and queue ----------------------------------------------------------------------------------------------


async def test_each_owner_has_a_vocabulary_of_the_same_words(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database
) -> None:
    await put(ann, *(word(str(number)) for number in range(5)))
    for client, mine in ((ann, "0123"), (bob, "34")):
        for word_id in mine:
            answers = [await client.put(f"/v1/vocabulary/{word_id}") for _ in range(2)]
            assert [answer.json()["word"]["id"] for answer in answers] == [word_id] * 2
            assert answers[0].json() == answers[1].json()

    page = (await ann.get("/v1/vocabulary?limit=3")).json()
    rest = (await ann.get(page["next"])).json()
    listed = {each["word"]["id"] for each in [*page["vocabulary"], *rest["vocabulary"]]}
    assert (listed, len(page["vocabulary"]), rest["next"]) == (set("0123"), 3, None)
    assert (await ann.delete("/v1/vocabulary/3")).status_code == 204
    problem(await ann.delete("/v1/vocabulary/3"), "not-found")
    problem(await ann.put("/v1/vocabulary/none"), "not-found")
    assert {each["word"]["id"] for each in (await bob.get("/v1/vocabulary")).json()["vocabulary"]} == {"3", "4"}
    assert (await ann.get("/v1/words/stats")).json()["queue"]["vocabulary"] == 5


async def test_the_queue_is_populated_once(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, *(word(str(number), rank=number + 1) for number in range(150)), word("x"), word("y"))
    await choose(db, "x", photo())
    top = (await ann.post("/v1/words/sync", json={"type": "top100"})).json()
    everything = (await ann.post("/v1/words/sync", json={"type": "all", "days": 30})).json()
    again = (await ann.post("/v1/words/sync", json={})).json()
    stats = (await ann.get("/v1/words/stats")).json()

    assert (top["added"], everything["added"], again["added"]) == (100, 51, 0)
    assert stats["queue"] == everything["queue"] == {
        "under_way": 0, "requested": 0, "top": 100, "vocabulary": 0, "recent": 51, "rest": 0, "total": 151,
    }  # fmt: skip
    assert (stats["words"], stats["with_picture"], stats["missed"]) == (152, 1, 0)
    assert (stats["populated_at"], stats["next_population_at"]) == (None, None)
    assert stats["budget"]["used"] == 0
    for body in ({"type": "some"}, {"days": 0}, {"days": "7"}, {"which": "all"}):
        problem(await ann.post("/v1/words/sync", json=body), "invalid-body")
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE word_schedule SET populated_at = now()"))
        assert await budget.spending(connection, "unsplash", 25)
    stats = (await ann.get("/v1/words/stats")).json()
    between = datetime.fromisoformat(stats["next_population_at"]) - datetime.fromisoformat(stats["populated_at"])
    assert between.total_seconds() == 1800
