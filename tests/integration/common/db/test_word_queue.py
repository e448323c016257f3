"""Words that clients ask for, and those that a full queue takes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.common.db.word_rows import ES0, counted, in_queue, one, populate, words, write

from heliograph_common.db.engine import Database
from heliograph_common.db.words import entries, queue
from heliograph_common.db.words.entries import key_of
from heliograph_common.db.words.queue import Lane

LATER = text("UPDATE word_queue SET not_before = now() + interval '1 hour'")


async def ask(db: Database, word_id: str = "es0", owner: str = "alice", photo_id: str | None = None) -> None:
    async with db.transaction() as connection:
        await queue.ask(connection, key_of(word_id), owner, photo_id=photo_id)


async def later(db: Database, **values: Any) -> None:
    """Has ``es0`` wait an hour by itself."""
    async with db.transaction() as connection:
        await connection.execute(LATER)
    if values:
        await in_queue(db, **values)


async def test_who_asks_at_once_has_no_more_words_in_front(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "ASKED_AT_ONCE", 3)
    await write(db, words(12))

    async def download(word_id: str) -> None:
        async with db.transaction() as connection:
            await queue.download_next(connection, key_of(word_id), "alice")

    await asyncio.gather(*(ask(db, f"es{n}") for n in range(8)), *(download(f"es{n}") for n in range(8, 12)))
    lengths = await counted(db)
    assert (lengths[Lane.ASKED] + lengths[Lane.UNDER_WAY], lengths[Lane.REST]) == (3, 9)
    async with db.transaction() as connection:
        mine = await connection.execute(text("SELECT count(*) FROM word_queue WHERE asked_by = 'alice'"))
        tasks = await connection.execute(text("SELECT count(*) FROM word_queue WHERE task = 'download'"))
    assert (mine.scalar_one(), tasks.scalar_one()) == (3, 4)


async def test_the_last_word_in_front_is_not_counted_against_itself(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "ASKED_AT_ONCE", 1)
    await write(db, words(1))
    await ask(db)
    async with db.transaction() as connection:
        await queue.download_next(connection, ES0, "alice")
    row = await one(db, "word_queue")
    assert row is not None
    assert (row.lane, row.task, row.asked_by) == (Lane.UNDER_WAY, "download", "alice")


async def test_a_word_that_waits_for_the_budget_need_not_once_a_client_waits(db: Database) -> None:
    await write(db, words(1))
    await populate(db)
    await later(db)
    await ask(db)
    first = await one(db, "word_queue")
    await later(db)
    await ask(db, owner="bob")
    again = await one(db, "word_queue")
    assert first is not None
    assert again is not None
    assert first.not_before is None
    assert again.not_before is not None, "it was asked for already"


async def test_a_word_whose_step_failed_waits_for_its_time(db: Database) -> None:
    await write(db, words(1))
    await populate(db)
    await later(db, failures=1)
    await ask(db)
    row = await one(db, "word_queue")
    assert row is not None
    assert (row.lane, row.failures, row.not_before is None) == (Lane.ASKED, 1, False)


async def test_a_photo_that_is_named_begins_again_and_once(db: Database) -> None:
    await write(db, words(1))
    await populate(db)
    await later(db, failures=3, step=1)
    await ask(db, photo_id="aaaaaaaaaaa")
    row = await one(db, "word_queue")
    assert row is not None
    assert (row.task, row.photo_id, row.failures, row.step, row.not_before) == ("photo", "aaaaaaaaaaa", 0, 0, None)
    await later(db, failures=2)
    await ask(db, photo_id="aaaaaaaaaaa")
    row = await one(db, "word_queue")
    assert row is not None
    assert (row.failures, row.not_before is None) == (2, False), "it is the same photo"
    await ask(db, photo_id="bbbbbbbbbbb")
    row = await one(db, "word_queue")
    assert row is not None
    assert (row.photo_id, row.failures, row.not_before) == ("bbbbbbbbbbb", 0, None)


async def test_a_full_queue_takes_better_words(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST", 10)
    await write(db, words(30, ranked=False))
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE words SET created_at = now() - interval '30 days'"))
    assert await populate(db) == 10
    assert await populate(db) == 0
    await write(db, words(5, language="fr"))
    async with db.transaction() as connection:
        await entries.learn(connection, "alice", key_of("es29"))
    assert await populate(db) == 6
    lengths = await counted(db)
    assert lengths[Lane.TOP] == 5
    assert lengths[Lane.VOCABULARY] == 1


async def test_other_days_choose_words_and_not_their_lane(db: Database) -> None:
    await write(db, words(3, ranked=False))
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE words SET created_at = now() - interval '20 days' WHERE id <> 'es0'"))
        assert await queue.populate(connection, "recent", days=7, within=30) == 3
    lengths = await counted(db)
    assert (lengths[Lane.RECENT], lengths[Lane.REST]) == (1, 2)
