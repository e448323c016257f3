"""Words that are given another text while they are searched, or have a picture, or wait for one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.common.db.word_rows import (
    ES0,
    in_queue,
    one,
    photo,
    place,
    populate,
    waits_for_a_lock,
    words,
    write,
)
from tests.polling import until

from heliograph_common.db.engine import Database
from heliograph_common.db.word_models import Word
from heliograph_common.db.words import entries, pictures, queue
from heliograph_common.db.words.entries import Entry, key_of
from heliograph_common.db.words.pictures import Choice
from heliograph_common.db.words.queue import Lane


def other(word_id: str = "es0", word: str = "distinta", **fields: Any) -> dict[str, Entry]:
    return {word_id: Entry(word_id, word, "es", **fields)}


async def test_a_picture_found_for_the_old_text_while_a_bulk_waits_is_dropped(db: Database) -> None:
    await write(db, words(2))
    await populate(db)
    async with db.transaction() as connection:
        held = text("SELECT FROM words WHERE key = :key FOR NO KEY UPDATE")
        await connection.execute(held, {"key": ES0})
        writing = asyncio.create_task(write(db, other()))
        await until(lambda: waits_for_a_lock(db))
        await pictures.choose(connection, ES0, Choice(photo()), store=False)
        await connection.execute(text("DELETE FROM word_queue WHERE word_key = :key"), {"key": ES0})
    written = await writing

    assert [word.id for word in written.removed] == ["es0"]
    assert await one(db, "word_images") is None
    queued = await one(db, "word_queue")
    assert queued is not None
    assert (queued.task, queued.lane) == ("search", Lane.RECENT)


async def test_a_bulk_does_not_wait_for_who_queues_a_word(db: Database) -> None:
    await write(db, words(2))
    async with db.transaction() as connection:
        await queue.populate(connection, "all", days=7)
        async with asyncio.timeout(30):
            assert (await write(db, other())).updated == 1


@pytest.mark.parametrize("change", [other(), other(word="palabra 0", translation="Wort")])
async def test_another_text_or_translation_is_searched_from_the_first_step_at_the_same_place(
    db: Database, change: dict[str, Entry]
) -> None:
    await write(db, words(3))
    await populate(db)
    async with db.transaction() as connection:
        await queue.ask(connection, key_of("es1"), "bob")
        await queue.ask(connection, ES0, "alice")
    await in_queue(db, status="active", fence=7, step=1, failures=2)
    await write(db, change)
    row = await one(db, "word_queue")

    assert row is not None
    assert (row.status, row.fence, row.step, row.failures, row.not_before) == ("queued", 0, 0, 0, None)
    assert (row.asked_by, row.lane, (await place(db, "es0")).place) == ("alice", Lane.ASKED, 2)


async def test_another_rank_changes_no_search(db: Database) -> None:
    await write(db, words(1))
    await populate(db)
    await in_queue(db, status="active", fence=7, step=1)
    await write(db, {"es0": Entry("es0", "palabra 0", "es", "word 0", 77)})
    row = await one(db, "word_queue")
    assert row is not None
    assert (row.status, row.fence, row.step) == ("active", 7, 1)


async def test_a_named_photo_is_looked_up_whatever_the_text_is(db: Database) -> None:
    await write(db, words(1))
    async with db.transaction() as connection:
        await queue.ask(connection, ES0, "alice", photo_id="eOLpJytrbsQ")
    await in_queue(db, status="active", fence=7)
    await write(db, other())
    row = await one(db, "word_queue")
    assert row is not None
    assert (row.task, row.photo_id, row.status, row.fence) == ("photo", "eOLpJytrbsQ", "active", 7)


@pytest.mark.parametrize("named", [True, False])
async def test_what_is_owed_for_a_picture_goes_with_it(db: Database, named: bool) -> None:
    await write(db, words(1))
    await populate(db)
    async with db.transaction() as connection:
        await pictures.choose(connection, ES0, Choice(photo(), named=named), store=False)
    await in_queue(db, task="download", status="active", fence=7)
    written = await write(db, other())
    row = await one(db, "word_queue")
    assert row is not None
    assert (row.task, row.fence) == (("download", 7) if named else ("search", 0))
    assert len(written.removed) == (0 if named else 1)


async def test_another_translation_ends_a_miss_and_leaves_a_picture(db: Database) -> None:
    await write(db, words(2))
    async with db.transaction() as connection:
        await pictures.choose(connection, ES0, Choice(photo()), store=False)
        await pictures.miss(connection, key_of("es1"), code="no_results", reason="none", keep=timedelta(days=1))
    await write(db, {f"es{n}": Entry(f"es{n}", f"palabra {n}", "es", "Wort", n + 1) for n in range(2)})
    missed = await one(db, "words", key_of("es1"))

    assert missed is not None
    assert (missed.missed_at, missed.search_again_at, missed.miss_code, missed.translation) == (
        None,
        None,
        None,
        "Wort",
    )
    assert await one(db, "word_images") is not None


async def test_a_revision_never_goes_back(db: Database) -> None:
    async def revision() -> int:
        row = await one(db, "words")
        assert row is not None
        return int(row.revision)

    await write(db, words(1))
    seen = [await revision()]
    async with db.transaction() as connection:
        await pictures.choose(connection, ES0, Choice(photo()), store=False)
    seen.append(await revision())
    (lost,) = (await write(db, other())).removed
    seen.append(await revision())
    assert lost.revision == seen[-1]
    async with db.transaction() as connection:
        await entries.remove(connection, "es0")
    await write(db, words(1))
    seen.append(await revision())
    assert seen == sorted(set(seen))


async def test_of_many_rejected_photos_the_oldest_is_forgotten(db: Database) -> None:
    await write(db, words(1))
    async with db.transaction() as connection:
        for number in [*range(pictures.MOST_REJECTED + 2), 5]:
            await pictures.reject(connection, ES0, "unsplash", str(number))
    row = await one(db, "words")
    assert row is not None
    assert row.rejected == [f"unsplash:{number}" for number in range(2, pictures.MOST_REJECTED + 2)]


async def test_a_stored_copy_is_noted_once_the_word_is_held(db: Database) -> None:
    """Who has the word and changes its picture does not wait for one who has the picture and changes the word."""
    await write(db, words(1))
    async with db.transaction() as connection:
        await pictures.choose(connection, ES0, Choice(photo()), store=True)

    async def fail() -> None:
        async with db.transaction() as connection:
            await pictures.note_not_stored(connection, ES0, "p1", "gone")

    async with db.transaction() as connection:
        await connection.execute(Word.__table__.select().where(Word.key == ES0).with_for_update(key_share=True))
        noting = asyncio.create_task(fail())
        await until(lambda: waits_for_a_lock(db))
        await pictures.forget(connection, ES0)
    await noting
