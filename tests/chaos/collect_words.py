"""Reads what there is of words: their rows, what was charged and what was requested for them, and what was told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import psycopg
from tests.chaos.collect import jetstream, messages_of
from tests.chaos.words import FOUND, MISSED, NOT_FOUND, ChargeRow, WordRow, WordRun

from heliograph_local.connection import Connection
from heliograph_local.doubles.records import recorded
from heliograph_local.doubles.unsplash import Call

_WORDS = """
    SELECT id, ARRAY(SELECT photo_id FROM word_images WHERE word_key = words.key), miss_code, search_again_at > now(),
           (SELECT count(*) FROM word_queue WHERE word_key = words.key)
    FROM words
"""
_CHARGES = """
    SELECT words.id, task, extract(epoch FROM at)::float FROM provider_requests LEFT JOIN words ON words.key = word_key
    WHERE budget = 'unsplash'
"""
_LEFT = """
    SELECT (SELECT count(*) FROM word_queue),
           (SELECT count(*) FROM words WHERE missed_at IS NULL
              AND NOT EXISTS (SELECT FROM word_images WHERE word_key = words.key)),
           (SELECT count(*) FROM word_images WHERE downloaded_at IS NULL)
"""
_USED = "SELECT count(*) FROM provider_requests WHERE budget = 'unsplash' AND at > now() - interval '1 hour'"


async def left(connection: Connection) -> tuple[int, int, int]:
    """Words that are queued, those with neither a picture nor a miss, and pictures that their provider was not told of."""
    async with await psycopg.AsyncConnection.connect(connection.postgres, autocommit=True) as database:
        row = await (await database.execute(_LEFT)).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


async def used(connection: Connection) -> int:
    """Requests that were charged in the last hour."""
    async with await psycopg.AsyncConnection.connect(connection.postgres, autocommit=True) as database:
        row = await (await database.execute(_USED)).fetchone()
    assert row is not None
    return int(row[0])


async def collect(connection: Connection, run: WordRun, calls: Path) -> None:
    """Reads everything into ``run``."""
    async with await psycopg.AsyncConnection.connect(connection.postgres, autocommit=True) as database:
        found = await (await database.execute(_WORDS)).fetchall()
        run.rows = [WordRow(word_id, tuple(photos), *rest) for word_id, photos, *rest in found]
        run.charges = [ChargeRow(*row) for row in await (await database.execute(_CHARGES)).fetchall()]
    run.calls = await asyncio.to_thread(recorded, calls, Call)
    async with jetstream(connection) as stream:
        bodies = await messages_of(stream, "EVENTS")
    await _through_the_api(connection, run)
    run.events = [
        (body["type"], body["data"]["word_id"], body["id"]) for body in bodies if body["type"] in {FOUND, NOT_FOUND}
    ]


async def _through_the_api(connection: Connection, run: WordRun) -> None:
    headers = {"Authorization": f"Bearer {connection.token}"}
    async with httpx2.AsyncClient(base_url=connection.api or "", headers=headers, timeout=20, trust_env=False) as http:
        for word in run.asked:
            answer = await http.get(f"/v1/words/{word.id}/image")
            told = answer.json()
            if answer.status_code == httpx2.codes.OK:
                run.answers[word.id] = told["photo"]["photo_id"]
            else:
                visible = answer.status_code == httpx2.codes.NOT_FOUND and told.get("search_again_at")
                run.answers[word.id] = MISSED if visible else f"{answer.status_code} {answer.text[:200]}"
