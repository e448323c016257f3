"""Words that several clients change at once."""

from __future__ import annotations

import asyncio
import random

import httpx2
from sqlalchemy import text
from tests.integration.gateway.words.support import choose, photo, put, word

from heliograph_common.db.engine import Database

EXPECTED = {200, 202, 204, 404}


async def test_words_that_are_deleted_while_they_are_asked_for(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database
) -> None:
    rng = random.Random(13)
    words = [word(str(number), rank=number + 1) for number in range(4)]
    await put(ann, *words)

    async def act(client: httpx2.AsyncClient) -> None:
        for _ in range(8):
            word_id = str(rng.randrange(4))
            image, learned = f"/v1/words/{word_id}/image", f"/v1/vocabulary/{word_id}"
            method, path = rng.choice(
                [
                    ("GET", image),
                    ("POST", image),
                    ("DELETE", image),
                    ("PUT", learned),
                    ("DELETE", f"/v1/words/{word_id}"),
                ]
            )
            answer = await client.request(method, path)
            assert answer.status_code in EXPECTED, (method, path, answer.text)
            if rng.random() < 0.3:
                await put(client, *words)

    await asyncio.gather(*(act(client) for client in (ann, bob, ann, bob)))
    await put(ann, *words)
    stats = (await ann.get("/v1/words/stats")).json()
    async with db.transaction() as connection:
        queued = (await connection.execute(text("SELECT count(*) FROM word_queue"))).scalar_one()
    assert stats["queue"]["total"] == queued
    assert stats["words"] == 4


async def test_two_who_want_another_picture_get_two(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database
) -> None:
    await put(ann, word("1"))
    await choose(db, "1", *(photo(f"p{number}") for number in range(4)))
    answers = await asyncio.gather(*(client.post("/v1/words/1/image") for client in (ann, bob, ann)))
    assert sorted(answer.json()["photo"]["photo_id"] for answer in answers) == ["p1", "p2", "p3"]


async def test_two_bulks_with_the_same_words_at_once(ann: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
    words = [word(str(number), f"word {number}") for number in range(3_000)]
    told = await asyncio.gather(put(ann, *words), put(bob, *reversed(words)), put(ann, *words[::3]))
    assert sum(each["created"] for each in told) == 3_000
    assert sum(each["unchanged"] for each in told) == 4_000
