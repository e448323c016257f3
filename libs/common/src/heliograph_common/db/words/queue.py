"""The queue of words that wait for a picture: who comes in, in which place, and what is said of the place.

A place is a lane and, within it, a ticket; lower ones come first. Counts by blocks of tickets, which triggers keep, tell
how many are before a word, so nobody counts the queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Literal
from uuid import UUID

from sqlalchemy import DateTime, Integer, Interval, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db import locks
from heliograph_common.db.locks import Lock

Which = Literal["all", "top100", "vocabulary", "recent"]

MOST = 100_000
"""Words in the queue beyond which none of the last lane are added: at 25 an hour that is a year and more."""
ASKED_AT_ONCE = 100
"""Words that one client may have in front of the others."""


class Lane(IntEnum):
    """Kinds of words, the most urgent first. A number never changes."""

    UNDER_WAY = 0
    ASKED = 1
    TOP = 2
    VOCABULARY = 3
    RECENT = 4
    REST = 5


@dataclass(frozen=True)
class Place:
    """Where a word is in the queue. ``place``: 1 is next. ``not_before``: it waits by itself until then."""

    place: int
    lane: Lane
    status: str
    not_before: datetime | None


async def populate(
    connection: AsyncConnection, which: Which, *, days: int, within: int | None = None, now: datetime | None = None
) -> int:
    """Queues words that have no picture, are not queued, and have not been missed lately; returns how many that were.
    Those queued further back than they now belong are moved up. ``days`` for which a word is recent; ``within``: the same
    for ``which`` words, where the caller means other days."""
    await locks.hold(connection, Lock.POPULATE_WORDS)
    recent, wanted = timedelta(days=days), timedelta(days=days if within is None else within)
    values = {"which": which, "days": recent, "within": wanted, "now": now, "most": MOST, "rest": int(Lane.REST)}
    added = (await connection.execute(_POPULATE, values)).rowcount
    await connection.execute(_MOVE_UP, values)
    return int(added)


async def populate_if_due(
    connection: AsyncConnection, *, every: timedelta, days: int, now: datetime | None = None
) -> int | None:
    """``populate`` for all words, if it ran last longer than ``every`` ago; ``None``: it did not run."""
    if (await connection.execute(_DUE, {"every": every, "now": now})).one_or_none() is None:
        return None
    return await populate(connection, "all", days=days, now=now)


async def enter(connection: AsyncConnection, key: UUID, lane: Lane) -> None:
    """Queues a word in a lane, or moves it up there. Words with a picture, or missed lately, stay out."""
    await connection.execute(_ENTER, {"key": key, "lane": int(lane)})


async def ask(connection: AsyncConnection, key: UUID, owner: str, *, photo_id: str | None = None) -> None:
    """Puts a word in front for a client, or, where the client has enough there, at least into the queue. ``photo_id``: that
    photo is to be looked up. The word is held by the caller, or nobody else's yet."""
    await locks.hold_words_asked(connection, owner)
    values = {"key": key, "owner": owner, "photo_id": photo_id, "most": ASKED_AT_ONCE}
    await connection.execute(_ASK, values)


async def download_next(connection: AsyncConnection, key: UUID, owner: str) -> None:
    """Has the provider told of a word's picture, and its file fetched where copies are kept, whatever was next before: soon,
    unless the client has enough in front. An attempt in hand sees when it ends that something else is wanted."""
    await locks.hold_words_asked(connection, owner)
    await connection.execute(_DOWNLOAD, {"key": key, "owner": owner, "most": ASKED_AT_ONCE})


async def reopen(connection: AsyncConnection, key: UUID) -> bool:
    """Queues a word again whose step failed for good, as one that was sent, and forgets that nothing was found; whether it
    was not queued."""
    return bool((await connection.execute(_REOPEN, {"key": key})).rowcount)


async def place_of(connection: AsyncConnection, key: UUID) -> Place | None:
    """Where a word is; ``None``: not in the queue."""
    row = (await connection.execute(_PLACE, {"key": key})).one_or_none()
    return None if row is None else Place(int(row.place), Lane(row.lane), row.status, row.not_before)


async def lengths(connection: AsyncConnection) -> dict[Lane, int]:
    """How many words are in each lane."""
    found = {row.lane: row.waiting for row in await connection.execute(_LENGTHS)}
    return {lane: int(found.get(lane, 0)) for lane in Lane}


# A word may be deleted meanwhile: who queues it holds it (FOR KEY SHARE), or finds it gone.
_NOW = "coalesce(CAST(:now AS timestamptz), now())"
_TOP = """
    RECURSIVE languages AS (
        (SELECT language FROM words WHERE rank IS NOT NULL ORDER BY language LIMIT 1)
        UNION ALL
        SELECT (SELECT words.language FROM words WHERE rank IS NOT NULL AND words.language > languages.language
                ORDER BY words.language LIMIT 1)
        FROM languages WHERE languages.language IS NOT NULL
    ), top AS (
        SELECT ranked.key FROM languages CROSS JOIN LATERAL (
            SELECT key FROM words WHERE language = languages.language AND rank IS NOT NULL ORDER BY rank, key LIMIT 100
        ) AS ranked
    ), learned AS (SELECT DISTINCT word_key AS key FROM vocabulary)
"""
_LANE = f"""
    CASE WHEN top.key IS NOT NULL THEN {Lane.TOP:d} WHEN learned.key IS NOT NULL THEN {Lane.VOCABULARY:d}
         WHEN words.created_at > {_NOW} - :days THEN {Lane.RECENT:d} ELSE {Lane.REST:d} END
"""
_TYPES = (
    bindparam("days", type_=Interval),
    bindparam("now", type_=DateTime(timezone=True)),
)
_WHICH = (bindparam("which", type_=Text), bindparam("within", type_=Interval), bindparam("most", type_=Integer))
_POPULATE = text(f"""
    WITH {_TOP}, missing AS (
        SELECT words.key, {_LANE} AS lane, words.rank, words.created_at
        FROM words LEFT JOIN top ON top.key = words.key LEFT JOIN learned ON learned.key = words.key
        WHERE NOT EXISTS (SELECT FROM word_images WHERE word_images.word_key = words.key)
          AND NOT EXISTS (SELECT FROM word_queue WHERE word_queue.word_key = words.key)
          AND (words.search_again_at IS NULL OR words.search_again_at <= {_NOW})
          AND CASE :which WHEN 'all' THEN true WHEN 'top100' THEN top.key IS NOT NULL
              WHEN 'vocabulary' THEN learned.key IS NOT NULL ELSE words.created_at > {_NOW} - :within END
    ), wanted AS (
        SELECT * FROM missing WHERE lane <> :rest
        UNION ALL
        (SELECT * FROM missing WHERE lane = :rest ORDER BY rank NULLS LAST, created_at, key
         LIMIT greatest(0, :most - (SELECT coalesce(sum(waiting), 0) FROM word_queue_blocks)))
    ), held AS (
        SELECT wanted.* FROM wanted JOIN words ON words.key = wanted.key FOR KEY SHARE OF words
    )
    INSERT INTO word_queue (word_key, lane, ticket)
    SELECT key, lane, nextval('word_tickets') FROM (
        SELECT * FROM held ORDER BY lane, rank NULLS LAST, created_at, key) AS ordered
    ON CONFLICT DO NOTHING
""").bindparams(*_TYPES, *_WHICH, bindparam("rest", type_=Integer))  # noqa: S608 - no value is in the text
_MOVE_UP = text(f"""
    WITH {_TOP}, moved AS (
        SELECT queued.word_key, {_LANE} AS lane
        FROM word_queue AS queued JOIN words ON words.key = queued.word_key
        LEFT JOIN top ON top.key = words.key LEFT JOIN learned ON learned.key = words.key
        WHERE queued.status = 'queued' AND queued.lane > {_LANE}
        ORDER BY lane, words.rank NULLS LAST, queued.ticket FOR UPDATE OF queued SKIP LOCKED
    )
    UPDATE word_queue SET lane = moved.lane, ticket = nextval('word_tickets') FROM moved
    WHERE word_queue.word_key = moved.word_key
""").bindparams(*_TYPES)  # noqa: S608 - no value is in the text
_DUE = text(f"""
    WITH locked AS (SELECT one FROM word_schedule
        WHERE populated_at IS NULL OR populated_at <= {_NOW} - :every FOR UPDATE SKIP LOCKED)
    UPDATE word_schedule SET populated_at = {_NOW} FROM locked WHERE word_schedule.one = locked.one
    RETURNING word_schedule.one
""").bindparams(bindparam("every", type_=Interval), _TYPES[1])  # noqa: S608 - no value is in the text
_ENTER = text("""
    INSERT INTO word_queue AS queued (word_key, lane)
    SELECT key, :lane FROM words
    WHERE key = :key AND (search_again_at IS NULL OR search_again_at <= now())
      AND NOT EXISTS (SELECT FROM word_images WHERE word_key = words.key)
    FOR KEY SHARE
    ON CONFLICT (word_key) DO UPDATE SET lane = excluded.lane, ticket = nextval('word_tickets')
    WHERE queued.lane > excluded.lane AND queued.status = 'queued'
""")
# A word that is asked for again counts once.
_WANTED = """
    mine AS (SELECT count(*) < :most AS few FROM word_queue WHERE asked_by = :owner AND word_key <> :key)
"""
_OWNER = "CASE WHEN few THEN CAST(:owner AS text) END"
_ANOTHER_PHOTO = """
    (excluded.photo_id IS NOT NULL AND (queued.task, queued.photo_id) IS DISTINCT FROM ('photo', excluded.photo_id))
"""
_NOW_ASKED = "(queued.asked_by IS NULL AND excluded.asked_by IS NOT NULL)"
# What waits for its share of the hour need not, once a client waits for it; what has failed does.
_ASK = text(f"""
    WITH {_WANTED}
    INSERT INTO word_queue AS queued (word_key, lane, asked_by, task, photo_id)
    SELECT words.key, CASE WHEN few THEN {Lane.ASKED:d} ELSE {Lane.REST:d} END, {_OWNER},
        CASE WHEN CAST(:photo_id AS text) IS NULL THEN 'search' ELSE 'photo' END, :photo_id
    FROM mine CROSS JOIN words WHERE words.key = :key FOR KEY SHARE OF words
    ON CONFLICT (word_key) DO UPDATE SET
        lane = least(queued.lane, excluded.lane),
        ticket = CASE WHEN excluded.lane < queued.lane THEN nextval('word_tickets') ELSE queued.ticket END,
        asked_by = coalesce(queued.asked_by, excluded.asked_by),
        task = CASE WHEN {_ANOTHER_PHOTO} THEN 'photo' ELSE queued.task END,
        photo_id = CASE WHEN {_ANOTHER_PHOTO} THEN excluded.photo_id ELSE queued.photo_id END,
        step = CASE WHEN {_ANOTHER_PHOTO} THEN 0 ELSE queued.step END,
        failures = CASE WHEN {_ANOTHER_PHOTO} THEN 0 ELSE queued.failures END,
        not_before = CASE WHEN NOT ({_ANOTHER_PHOTO} OR ({_NOW_ASKED} AND queued.failures = 0))
            THEN queued.not_before END
    WHERE excluded.lane < queued.lane OR {_NOW_ASKED} OR {_ANOTHER_PHOTO}
""").bindparams(bindparam("photo_id", type_=Text), bindparam("owner", type_=Text))  # noqa: S608 - no value is in the text
_DOWNLOAD = text(f"""
    WITH {_WANTED}
    INSERT INTO word_queue AS queued (word_key, lane, task, asked_by)
    SELECT :key, CASE WHEN few THEN {Lane.UNDER_WAY:d} ELSE {Lane.REST:d} END, 'download', {_OWNER} FROM mine
    ON CONFLICT (word_key) DO UPDATE SET
        lane = least(queued.lane, excluded.lane),
        ticket = CASE WHEN excluded.lane < queued.lane THEN nextval('word_tickets') ELSE queued.ticket END,
        asked_by = coalesce(queued.asked_by, excluded.asked_by),
        task = 'download', step = 0, photo_id = NULL, failures = 0, not_before = NULL
""").bindparams(bindparam("key", type_=Uuid), bindparam("owner", type_=Text))  # noqa: S608 - no value is in the text
_REOPEN = text(f"""
    WITH word AS (
        UPDATE words SET missed_at = NULL, search_again_at = NULL, miss_code = NULL, miss_reason = NULL
        WHERE key = :key RETURNING key
    )
    INSERT INTO word_queue (word_key, lane, status, task)
    SELECT word.key, {Lane.ASKED:d}, 'sent', CASE WHEN word_images.word_key IS NULL THEN 'search' ELSE 'download' END
    FROM word LEFT JOIN word_images ON word_images.word_key = word.key
    WHERE word_images.word_key IS NULL OR word_images.downloaded_at IS NULL
    ON CONFLICT DO NOTHING
""")  # noqa: S608 - no value is in the text
_PLACE = text("""
    SELECT mine.lane, mine.status, mine.not_before, 1
        + (SELECT coalesce(sum(waiting), 0) FROM word_queue_blocks
           WHERE (lane, block) < (mine.lane, mine.ticket >> 8))
        + (SELECT count(*) FROM word_queue WHERE lane = mine.lane
           AND ticket >= ((mine.ticket >> 8) << 8) AND ticket < mine.ticket) AS place
    FROM word_queue AS mine WHERE mine.word_key = :key
""")
_LENGTHS = text("SELECT lane, sum(waiting) AS waiting FROM word_queue_blocks GROUP BY lane")
