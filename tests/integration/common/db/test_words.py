"""Statements on words: bulk writes, the queue and places in it, the hourly budget, pictures."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.integration.common.db.word_rows import counted, photo, place, populate, waits_for_a_lock, words, write
from tests.polling import until

from heliograph_common.db.engine import Database
from heliograph_common.db.words import budget, entries, pictures, queue
from heliograph_common.db.words.entries import Entry, key_of
from heliograph_common.db.words.pictures import Choice
from heliograph_common.db.words.queue import Lane

MANY = 27_143
START = datetime(2031, 5, 1, tzinfo=UTC)


async def test_a_bulk_creates_changes_and_leaves(db: Database) -> None:
    given = words(50)
    assert await write(db, given) == entries.Written(50, 0, 0)
    changed = given | {"es3": Entry("es3", "otra", "es"), "new": Entry("new", "nueva", "es")}
    assert await write(db, changed) == entries.Written(1, 1, 49)


async def test_twenty_seven_thousand_words_wait_and_populating_again_adds_nothing(db: Database) -> None:
    began = time.monotonic()
    await write(db, words(MANY))
    assert time.monotonic() - began < 50  # ten times what a bulk of 30,000 may take
    assert await populate(db) == MANY
    began = time.monotonic()
    assert await populate(db) == 0
    assert time.monotonic() - began < 10  # ten times the promise
    lengths = await counted(db)
    assert (lengths[Lane.TOP], lengths[Lane.RECENT]) == (100, MANY - 100)
    assert (await place(db, "es0")).place == 1
    assert (await place(db, "es99")).place == 100
    assert (await place(db, f"es{MANY - 1}")).place == MANY
    async with db.transaction() as connection:
        explain = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {queue._PLACE}")
        plan = await connection.execute(explain, {"key": key_of("es20000")})
        rows = _rows(plan.scalar_one()[0]["Plan"])
    assert rows < 2_000, "the queue was counted"


def _rows(plan: dict[str, object]) -> float:
    inner = plan.get("Plans", [])
    assert isinstance(inner, list)
    return float(str(plan["Actual Rows"])) * float(str(plan["Actual Loops"])) + sum(_rows(each) for each in inner)


async def test_lanes_follow_rank_vocabulary_and_age(db: Database) -> None:
    await write(db, words(150) | words(3, language="fr", ranked=False))
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE words SET created_at = now() - interval '30 days' WHERE id <> 'fr2'"))
        await entries.learn(connection, "alice", key_of("fr1"))
    assert await populate(db, "top100") == 100
    assert await populate(db, "vocabulary") == 1
    assert await populate(db, "recent") == 1
    assert await populate(db) == 51
    lengths = await counted(db)
    assert [lengths[lane] for lane in Lane] == [0, 0, 100, 1, 1, 51]
    assert (await place(db, "fr1")).place == 101
    async with db.transaction() as connection:
        await entries.learn(connection, "bob", key_of("fr0"))
    assert await populate(db) == 0
    assert (await place(db, "fr0")).lane is Lane.VOCABULARY


async def test_a_word_that_is_asked_for_moves_to_the_front_up_to_a_number(db: Database) -> None:
    await write(db, words(400))
    await populate(db)
    async with db.transaction() as connection:
        for index in range(queue.ASKED_AT_ONCE + 5):
            await queue.ask(connection, key_of(f"es{399 - index}"), "alice")
            await queue.ask(connection, key_of(f"es{399 - index}"), "alice")  # nothing more
    assert (await place(db, "es399")).place == 1
    assert (await counted(db))[Lane.ASKED] == queue.ASKED_AT_ONCE
    assert (await place(db, f"es{399 - queue.ASKED_AT_ONCE - 2}")).lane is not Lane.ASKED
    async with db.transaction() as connection:
        await queue.ask(connection, key_of("es1"), "bob")
    assert (await place(db, "es1")).place == queue.ASKED_AT_ONCE + 1


async def test_places_stay_right_while_words_come_and_go(db: Database) -> None:
    await write(db, words(2_000))
    await populate(db)
    rng = random.Random(7)
    async with db.transaction() as connection:
        for _ in range(60):
            key = key_of(f"es{rng.randrange(2_000)}")
            if rng.random() < 0.5:
                await connection.execute(text("DELETE FROM words WHERE key = :key"), {"key": key})
            else:
                await queue.enter(connection, key, rng.choice([Lane.ASKED, Lane.VOCABULARY]))
        order = await connection.execute(text("SELECT word_key FROM word_queue ORDER BY lane, ticket"))
        for index, key in enumerate(order.scalars().all()):
            if index % 97 == 0:
                found = await queue.place_of(connection, key)
                assert found is not None
                assert found.place == index + 1
    await counted(db)


async def test_words_with_a_picture_or_a_miss_are_left_out(db: Database) -> None:
    await write(db, words(3))
    async with db.transaction() as connection:
        await pictures.choose(connection, key_of("es0"), Choice(photo()), store=False)
        await pictures.miss(connection, key_of("es1"), code="no_results", reason="none", keep=timedelta(days=1))
    assert await populate(db) == 1
    async with db.transaction() as connection:
        await pictures.forget(connection, key_of("es0"))
        await connection.execute(
            text("UPDATE words SET search_again_at = now() - interval '1 second' WHERE id = 'es1'")
        )
    assert await populate(db) == 2


async def test_a_word_that_is_deleted_meanwhile_is_not_queued(db: Database) -> None:
    await write(db, words(3))

    async def put_in() -> int:
        async with db.transaction() as connection:
            await queue.ask(connection, key_of("es1"), "alice")
            await queue.enter(connection, key_of("es1"), Lane.VOCABULARY)
            assert not await entries.learn(connection, "alice", key_of("es1"))
        return await populate(db)

    async with db.transaction() as connection:
        assert await entries.remove(connection, "es1")
        putting = asyncio.create_task(put_in())
        await until(lambda: waits_for_a_lock(db))
    assert await putting == 2


async def test_another_text_forgets_what_was_found_for_the_old_one(db: Database) -> None:
    await write(db, words(2))
    async with db.transaction() as connection:
        await pictures.choose(connection, key_of("es0"), Choice(photo()), store=False)
        await pictures.choose(connection, key_of("es1"), Choice(photo(), named=True), store=False)
    await write(db, {name: Entry(name, "distinta", "es") for name in ("es0", "es1")})
    async with db.transaction() as connection:
        assert await pictures.find(connection, key_of("es0")) is None
        assert await pictures.find(connection, key_of("es1")) is not None


async def test_the_populator_runs_when_it_is_due_and_once(db: Database) -> None:
    await write(db, words(5))
    every = timedelta(minutes=30)

    async def run(now: datetime) -> int | None:
        async with db.transaction() as connection:
            return await queue.populate_if_due(connection, every=every, days=7, now=now)

    assert sorted(await asyncio.gather(run(START), run(START)), key=str) == [5, None]
    assert await run(START + timedelta(minutes=29)) is None
    assert await run(START + timedelta(minutes=30)) == 0


async def _charge(connection: AsyncConnection, now: datetime, quota: int, *, asked: bool = False) -> datetime | None:
    return await budget.charge(connection, "unsplash", quota, asked=asked, word_key=key_of("x"), task="search", now=now)


@pytest.mark.parametrize("asked", [True, False])
async def test_no_hour_has_more_requests_than_the_quota_and_none_is_wasted(db: Database, asked: bool) -> None:
    spent: list[datetime] = []
    async with db.transaction() as connection:
        for minute in range(5 * 60):
            now = START + timedelta(minutes=minute)
            while await _charge(connection, now, 25, asked=asked) is None:
                spent.append(now)
    for first in spent:
        assert sum(first <= each < first + budget.HOUR for each in spent) <= 25
    hours = [
        sum(START + hour * budget.HOUR <= each < START + (hour + 1) * budget.HOUR for each in spent)
        for hour in range(5)
    ]
    assert hours == [25] * 5


async def test_requests_are_exact_whoever_makes_them_at_once(db: Database) -> None:
    async def one() -> bool:
        async with db.transaction() as connection:
            return await _charge(connection, START, 5, asked=True) is None

    assert sum(await asyncio.gather(*(one() for _ in range(30)))) == 5
