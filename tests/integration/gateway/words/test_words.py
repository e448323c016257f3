"""Words sent in bulk, listed, shown and deleted; what is refused, and that nothing is written then."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from tests.integration.gateway.support import count, problem
from tests.integration.gateway.words.support import choose, miss, photo, put, queued, word

from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.word_messages import FindPicture
from heliograph_common.db.engine import Database
from heliograph_common.db.words.entries import key_of
from heliograph_common.http.problems import Problem
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.testing.relay import NoRelay
from heliograph_gateway.words.schemas import WordPage, WordShape, WordsWritten
from heliograph_gateway.words.service import Words

ARABIC, HEBREW = "منارة", "מִגְדַּלּוֹר"
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


async def test_words_are_created_changed_and_left(ann: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
    words = [word("1", "cat", rank=1, translation="Katze"), word("2", "dog", rank=2.0), word("3", "owl")]
    first = await ann.put("/v1/words", json={"words": words})
    again = await bob.put("/v1/words", json={"words": [*words[:2], word("3", "eagle"), word("4", "ant")]})
    shown = await bob.get("/v1/words/1")

    WordsWritten.model_validate_json(first.content)
    assert first.json() == {"received": 3, "created": 3, "updated": 0, "unchanged": 0, "duplicates": 0}
    assert again.json() == {"received": 4, "created": 1, "updated": 1, "unchanged": 2, "duplicates": 0}
    WordShape.model_validate_json(shown.content)
    assert {name: shown.json()[name] for name in ("text", "language", "translation", "rank", "picture")} == {
        "text": "cat", "language": "en", "translation": "Katze", "rank": 1, "picture": "none",
    }  # fmt: skip
    tag = shown.headers["etag"]
    assert (await ann.get("/v1/words/1", headers={"If-None-Match": tag})).status_code == 304


async def test_the_last_of_several_with_one_id_counts(ann: httpx2.AsyncClient) -> None:
    told = await put(ann, word("1", "cat"), word("2", "dog"), word("1", "lion"), word("1", "tiger"))

    assert told == {"received": 4, "created": 2, "updated": 0, "unchanged": 0, "duplicates": 2}
    assert (await ann.get("/v1/words/1")).json()["text"] == "tiger"


async def test_a_word_without_an_id_is_the_same_word_each_time(ann: httpx2.AsyncClient) -> None:
    entry = {"text": " Café \n au  lait ", "language": "FR-ca"}
    first = await put(ann, entry)
    again = await put(
        ann, {"text": "Cafe\u0301 au lait", "language": "fr-CA"}, {"text": "café au lait", "language": "fr-CA"}
    )
    (listed,) = (await ann.get("/v1/words")).json()["words"]

    assert (first["created"], again["created"], again["duplicates"]) == (1, 0, 1)
    assert (listed["text"], listed["language"]) == ("café au lait", "fr-CA")
    assert UUID(listed["id"])


async def test_all_scripts_and_emoji_are_words(ann: httpx2.AsyncClient) -> None:
    texts = [
        ARABIC,
        HEBREW,
        FAMILY,
        "\u06a9\u200c\u06cc",
        "\u200f\u05e9\u05dc\u05d5\u05dd",
        "日本語",
        "e\u0301te\u0301",
        "x" * 200,
    ]
    assert (await put(ann, *(word(str(place), each) for place, each in enumerate(texts))))["created"] == len(texts)
    for place, each in enumerate(texts[:6]):
        assert (await ann.get(f"/v1/words/{place}")).json()["text"] == each
    assert (await ann.get("/v1/words/6")).json()["text"] == "\u00e9t\u00e9"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"text": "x" * 1000}, "text", "at most 200 characters"),
    ({"text": ""}, "text", "at least 1 character"),
    ({"text": " \t\n "}, "text", "must not be blank"),
    ({"text": "\u200b\u200d"}, "text", "visible character"),
    ({"text": "nul\0"}, "text", "U+0000"),
    ({"text": "bell\x07"}, "text", "control character U+0007"),
    ({"text": "safe\u202egnp.exe"}, "text", "U+202E, which changes the direction"),
    ({"text": "\u2067isolated"}, "text", "U+2067"),
    ({"text": None}, "text", "valid string"),
    ({"text": 7}, "text", "valid string"),
    ({"translation": "x" * 201}, "translation", "at most 200 characters"),
    ({"translation": "a\x1bb"}, "translation", "U+001B"),
    ({"language": ""}, "language", "pattern"),
    ({"language": "english"}, "language", "pattern"),
    ({"rank": 0}, "rank", "greater than or equal to 1"),
    ({"rank": 1 << 31}, "rank", "less than or equal"),
    ({"rank": "1"}, "rank", "valid integer"),
    ({"id": "a/b"}, "id", "pattern"),
    ({"id": "stats"}, "id", "reserved"),
    ({"id": ".."}, "id", "reserved"),
    ({"id": "x" * 65}, "id", "pattern"),
    ({"colour": "red"}, "colour", "not permitted"),
]


async def test_one_bad_word_is_named_and_none_is_written(ann: httpx2.AsyncClient) -> None:
    for fields, field, detail in REFUSED:
        words = [*(word(str(number)) for number in range(17)), word("17") | fields, word("18")]
        answer = await ann.put("/v1/words", json={"words": words})

        assert answer.status_code == 422, fields
        (fault,) = problem(answer, "invalid-body")["errors"]
        assert fault["pointer"] == f"/words/17/{field}"
        assert detail in fault["detail"], fields
    assert (await ann.get("/v1/words")).json()["words"] == []


BROKEN = [
    (b'{"words": [{"text": "half \\ud83d", "language": "en"}]}', "invalid-body", "/words/0/text"),
    (b'{"words": [{"text": "a", "language": "en", "\\ud800": 1}]}', "invalid-body", "/words/0"),
    (b'{"words": [{"text": "a", "language": "en"', "invalid-json", None),
    (b'{"words": ["\\ud800"', "invalid-json", None),
    (b"\xff", "invalid-json", None),
    (b"[" * 100_000, "invalid-json", None),
    (b"[]", "invalid-body", ""),
    (b"{}", "invalid-body", "/words"),
    (b'{"words": null}', "invalid-body", "/words"),
    (b'{"words": [], "more": 1}', "invalid-body", "/more"),
    (b'{"words": [null]}', "invalid-body", "/words/0"),
]


async def test_broken_bodies(ann: httpx2.AsyncClient) -> None:
    for body, slug, pointer in BROKEN:
        answer = await ann.put("/v1/words", content=body, headers={"Content-Type": "application/json"})
        told = problem(answer, slug)
        assert [fault["pointer"] for fault in told.get("errors", ())] == ([] if pointer is None else [pointer]), body


async def test_no_more_errors_than_can_be_read(ann: httpx2.AsyncClient) -> None:
    answer = await ann.put("/v1/words", json={"words": [word(str(number), "\0") for number in range(500)]})
    assert len(problem(answer, "invalid-body")["errors"]) == 50


async def test_too_many_words_are_to_be_sent_in_several_requests(ann: httpx2.AsyncClient) -> None:
    many = b'{"words": [' + b",".join([b"{}"] * 30_001) + b"]}"
    headers = {"Content-Type": "application/json"}
    told = problem(await ann.put("/v1/words", content=many, headers=headers), "invalid-body")
    large = problem(await ann.put("/v1/words", content=b" " * (17 << 20), headers=headers), "body-too-large")

    assert "at most 30,000 words" in told["errors"][0]["detail"]
    for text_ in (told["errors"][0]["detail"], large["remedy"]):
        assert "several requests" in text_


@pytest.mark.timeout(180)
async def test_thirty_thousand_words_with_duplicates(ann: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
    words = [word(str(number % 29_000), f"word {number % 29_000} {ARABIC}{FAMILY}", rank=1) for number in range(30_000)]
    body = json.dumps({"words": words}).encode()
    slowest = 0.0

    async def others() -> None:
        nonlocal slowest
        while True:
            began = time.monotonic()
            assert (await bob.get("/livez")).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(0.01)  # between two questions

    asking = asyncio.create_task(others())
    began = time.monotonic()
    answer = await ann.put("/v1/words", content=body, headers={"Content-Type": "application/json"}, timeout=100)
    seconds = time.monotonic() - began
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking

    assert answer.json() == {"received": 30_000, "created": 29_000, "updated": 0, "unchanged": 0, "duplicates": 1_000}
    assert seconds < 50, "ten times what the old system's bulk may take"
    assert slowest < 5, "other requests waited for the whole of it"


async def test_another_text_takes_the_picture_away_and_says_so(ann: httpx2.AsyncClient, db: Database, bus: Bus) -> None:
    await put(ann, word("1"), word("2"))
    await choose(db, "1", photo())
    revision = (await ann.get("/v1/words/1")).json()["revision"]
    assert (await put(ann, word("1", "beacon"), word("2", "owl")))["updated"] == 2
    shown = (await ann.get("/v1/words/1")).json()

    assert shown["picture"] == "queued"
    assert shown["revision"] > revision
    assert await count(bus, "EVENTS", "events.word.image_removed", expected=1) == 1


async def test_a_bulk_that_has_no_turn_is_to_come_back(ann: httpx2.AsyncClient, db: Database) -> None:
    words = Words(Messenger(db, NoRelay()), owner="words", patience=0.1)
    async with words.turn(), words.turn():
        with pytest.raises(Problem) as refused:
            async with words.turn():
                pass
    async with words.turn():
        pass
    assert refused.value.status == 503
    assert int(refused.value.headers["Retry-After"]) > 0


# -- lists -------------------------------------------------------------------------------------------------------------


async def listed(client: httpx2.AsyncClient, **parameters: Any) -> list[str]:
    """Ids on all pages."""
    found: list[str] = []
    answer = await client.get("/v1/words", params=parameters)
    while True:
        WordPage.model_validate_json(answer.content)
        found += [each["id"] for each in answer.json()["words"]]
        if answer.json()["next"] is None:
            return found
        answer = await client.get(answer.json()["next"])


async def test_lists_have_pages_and_filters(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(
        ann, word("a", "Lighthouse"), word("b", "light"), word("c", "delight"), word("d", "Licht", language="de"),
        word("e", ARABIC, language="ar"),
    )  # fmt: skip
    await choose(db, "a", photo())
    await miss(db, "b")
    await ann.get("/v1/words/c/image")

    assert await listed(ann) == await listed(ann, limit=2) == ["a", "b", "c", "d", "e"]
    assert await listed(ann, language="DE") == ["d"]
    assert await listed(ann, q="LIGHT", limit=1) == ["a", "b"]
    assert await listed(ann, q="100%_") == []
    assert await listed(ann, picture="with") == ["a"]
    assert await listed(ann, picture="without") == ["b", "c", "d", "e"]
    assert await listed(ann, picture="missed") == ["b"]
    assert await listed(ann, picture="queued") == ["c"]
    states = [each["picture"] for each in (await ann.get("/v1/words")).json()["words"]]
    assert states == ["found", "missed", "queued", "none", "none"]


async def test_a_page_looks_at_a_bounded_number_of_words(ann: httpx2.AsyncClient, db: Database) -> None:
    statement = text(
        "INSERT INTO words (key, id, text, language) SELECT gen_random_uuid(), lpad(n::text, 5, '0'), "
        "CASE WHEN n = 9999 THEN 'rare' ELSE 'common' END, 'en' FROM generate_series(1, 10000) AS n"
    )
    async with db.transaction() as connection:
        await connection.execute(statement)
    first = (await ann.get("/v1/words?q=rare")).json()

    assert first["words"] == []
    assert first["next"] is not None
    assert await listed(ann, q="rare") == ["09999"]
    assert len(await listed(ann, limit=500)) == 10_000


async def test_cursors_of_other_queries_are_refused(ann: httpx2.AsyncClient) -> None:
    await put(ann, *(word(str(number)) for number in range(3)))
    following = (await ann.get("/v1/words?limit=1")).json()["next"]
    problem(await ann.get(f"{following}&q=l"), "invalid-cursor")
    problem(await ann.get("/v1/words?cursor=WzEsIgAiLCIiXQ"), "invalid-cursor")


# -- deletion ----------------------------------------------------------------------------------------------------------


async def test_a_word_that_is_deleted_while_it_is_queued(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, word("1"), word("2"))
    await ann.put("/v1/vocabulary/1")
    key = key_of("1")
    async with Messenger(db, NoRelay()).transaction() as transaction:
        await transaction.request("work.words.search", FindPicture(word_key=key), owner="words")
        await transaction.connection.execute(text("UPDATE word_queue SET status = 'sent'"))

    assert (await ann.delete("/v1/words/1")).status_code == 204
    async with db.transaction() as connection:
        left = await connection.execute(text("SELECT count(*) FROM work WHERE target = :key"), {"key": key})
        assert left.scalar_one() == 0
    assert await queued(db, "1") is None
    assert (await ann.get("/v1/vocabulary")).json()["vocabulary"] == []
    problem(await ann.delete("/v1/words/1"), "not-found")
    for path in ("/v1/words/1", "/v1/words/1/image"):
        problem(await ann.get(path), "not-found")
    assert (await ann.get("/v1/words/stats")).json()["queue"]["total"] == 0


async def test_deleting_a_word_with_a_picture_is_told(ann: httpx2.AsyncClient, db: Database, bus: Bus) -> None:
    await put(ann, word("1"), word("2"))
    await choose(db, "1", photo())
    for word_id in ("1", "2"):
        assert (await ann.delete(f"/v1/words/{word_id}")).status_code == 204
    assert await count(bus, "EVENTS", "events.word.image_removed", expected=1) == 1


async def test_ids_that_cannot_be(ann: httpx2.AsyncClient) -> None:
    for word_id in ("a%2Fb", "x" * 65, "%00", "sync"):
        problem(await ann.get(f"/v1/words/{word_id}"), "not-found" if word_id != "a%2Fb" else "unknown-route")


async def test_scopes(gateway: Any) -> None:
    async with gateway.client("ann", ("images:read",)) as reader, gateway.client("ann", ("images:write",)) as writer:
        for method, path in (
            ("PUT", "/v1/words"), ("DELETE", "/v1/words/1"), ("POST", "/v1/words/sync"), ("PUT", "/v1/vocabulary/1"),
            ("DELETE", "/v1/vocabulary/1"), ("POST", "/v1/words/1/image"), ("DELETE", "/v1/words/1/image"),
        ):  # fmt: skip
            assert (await reader.request(method, path)).status_code == 403, (method, path)
            assert (await writer.request(method, path)).status_code != 403, (method, path)
        for path in ("/v1/words", "/v1/words/1", "/v1/words/1/image", "/v1/words/stats", "/v1/vocabulary"):
            assert (await reader.get(path)).status_code != 403, path
            assert (await writer.get(path)).status_code == 403, path
