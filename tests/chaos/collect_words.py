"""Reads what there is of words: their rows, what was charged and what was requested for them, and what was told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
from tests.chaos.collect import jetstream, messages_of
from tests.chaos.words import FOUND, NOT_FOUND, ChargeRow, WordRow, WordRun

from heliograph_local.connection import Connection
from heliograph_local.doubles.unsplash import recorded

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
    run.calls = await asyncio.to_thread(recorded, calls)
    async with jetstream(connection) as stream:
        bodies = await messages_of(stream, "EVENTS")
    run.events = [
        (body["type"], body["data"]["word_id"], body["id"]) for body in bodies if body["type"] in {FOUND, NOT_FOUND}
    ]
