"""Words of a test's database, and their rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from heliograph_common.contracts.word_messages import Photo
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Row
from heliograph_common.db.words import entries, queue
from heliograph_common.db.words.entries import Entry, key_of
from heliograph_common.db.words.queue import Lane

ES0 = key_of("es0")


def words(count: int, *, language: str = "es", ranked: bool = True) -> dict[str, Entry]:
    made = [
        Entry(f"{language}{index}", f"palabra {index}", language, f"word {index}", index + 1 if ranked else None)
        for index in range(count)
    ]
    return {entry.id: entry for entry in made}


def photo(photo_id: str = "p1") -> Photo:
    page, file = f"https://unsplash.com/photos/{photo_id}", f"https://images.unsplash.com/{photo_id}"
    return Photo(
        provider="unsplash",
        id=photo_id,
        page_url=page,
        image_url=file,
        thumb_url=file,
        full_url=file,
        width=4000,
        height=3000,
        photographer="A. Person",
        photographer_url="https://unsplash.com/@person",
    )


async def write(db: Database, given: dict[str, Entry]) -> entries.Written:
    async with db.transaction() as connection:
        return await entries.write(connection, given)


async def populate(db: Database, which: queue.Which = "all", days: int = 7) -> int:
    async with db.transaction() as connection:
        return await queue.populate(connection, which, days=days)


async def place(db: Database, word_id: str) -> queue.Place:
    async with db.transaction() as connection:
        found = await queue.place_of(connection, key_of(word_id))
    assert found is not None
    return found


async def counted(db: Database) -> dict[Lane, int]:
    """The lengths of the lanes, the slow way."""
    async with db.transaction() as connection:
        rows = (await connection.execute(text("SELECT lane, count(*) FROM word_queue GROUP BY lane"))).all()
        told = await queue.lengths(connection)
    assert {lane: count for lane, count in told.items() if count} == {Lane(lane): count for lane, count in rows}
    return told


async def waits_for_a_lock(db: Database) -> bool:
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with db.transaction() as connection:
        return (await connection.execute(text(waiting))).first() is not None


async def one(db: Database, table: str, key: Any = ES0) -> Row[Any] | None:
    column = "key" if table == "words" else "word_key"
    async with db.transaction() as connection:
        statement = text(f"SELECT * FROM {table} WHERE {column} = :key")  # noqa: S608 - tables of this file
        return (await connection.execute(statement, {"key": key})).one_or_none()


async def in_queue(db: Database, **values: Any) -> None:
    """Sets columns of the row of ``es0``."""
    columns = ", ".join(f"{name} = :{name}" for name in values)
    async with db.transaction() as connection:
        statement = text(f"UPDATE word_queue SET {columns} WHERE word_key = :key")  # noqa: S608
        await connection.execute(statement, {"key": ES0, **values})
