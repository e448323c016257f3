"""Words and vocabularies: written in bulk, found, deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import ARRAY, Integer, Text, Uuid, bindparam, delete, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.rows import Row
from heliograph_common.db.word_models import VocabularyWord, Word
from heliograph_common.db.words.queue import Lane

_KEYS = UUID("9d7f3c52-61a0-4b0e-8a33-5c1d2e6f7a10")
_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
RESERVED_IDS = frozenset({"sync", "stats", ".", ".."})
"""Ids that would name other resources: clients take the last two out of a path."""


@dataclass(frozen=True)
class Entry:
    """A word as it is written. ``id``: matches ``is_id``."""

    id: str
    text: str
    language: str
    translation: str | None = None
    rank: int | None = None


@dataclass(frozen=True)
class Written:
    """How many words were created, changed, and there already. ``removed``: the words that lost their pictures."""

    created: int
    updated: int
    unchanged: int
    removed: Sequence[Row[Any]] = ()


def is_id(value: str) -> bool:
    """Whether ``value`` may be the id of a word: 1 to 64 letters, digits, ``.``, ``_``, ``~`` or ``-``; no reserved one."""
    return _ID.fullmatch(value) is not None and value not in RESERVED_IDS


def key_of(word_id: str) -> UUID:
    """The key of a word, the same wherever it is made."""
    return uuid5(_KEYS, word_id)


def id_of(word: str, language: str) -> str:
    """The id of a word that was given none: the same for the same word of a language, in any case of letters."""
    return str(uuid5(_KEYS, f"{language}\0{word.casefold()}"))


async def write(connection: AsyncConnection, entries: Mapping[str, Entry]) -> Written:
    """Creates and changes words by their ids. A word with another text or language loses what was found for the old one,
    unless somebody named its picture; with another translation it is searched again. Those that lost their pictures are
    queued; one that was queued keeps its place.

    Call it once in a transaction: it waits for others that create words before it waits for those that change them, and
    both in the order of keys, so two that wait for each other end.
    """
    ordered = sorted(entries.values(), key=lambda entry: key_of(entry.id))
    values = _values(ordered)
    created = (await connection.execute(_CREATE, values)).rowcount
    changed = set((await connection.execute(_HOLD, values)).scalars())
    removed: Sequence[Row[Any]] = ()
    if changed:
        removed = await _change(connection, [entry for entry in ordered if key_of(entry.id) in changed])
    return Written(created, len(changed), len(ordered) - created - len(changed), removed)


async def _change(connection: AsyncConnection, held: Sequence[Entry]) -> Sequence[Row[Any]]:
    """Changes words that are held; returns those that lost their pictures. Statements after the one that waited: what was
    found for the old text meanwhile is seen only by these."""
    values = _values(held)
    await connection.execute(_SEARCH_ANEW, values)
    dropped = (await connection.execute(_DROP_PICTURES, values)).scalars().all()
    changed = (await connection.execute(_CHANGE, {**values, "dropped": dropped})).all()
    if dropped:
        await connection.execute(_QUEUE_DROPPED, {"dropped": dropped})
    return tuple(row for row in changed if row.removed)


def _values(entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "keys": [key_of(entry.id) for entry in entries],
        "ids": [entry.id for entry in entries],
        "texts": [entry.text for entry in entries],
        "languages": [entry.language for entry in entries],
        "translations": [entry.translation for entry in entries],
        "ranks": [entry.rank for entry in entries],
    }


async def find(connection: AsyncConnection, word_id: str) -> Row[Any] | None:
    """The word."""
    return (await connection.execute(select(Word.__table__).where(Word.key == key_of(word_id)))).one_or_none()


async def remove(connection: AsyncConnection, word_id: str) -> bool:
    """Deletes a word with all that is its own; whether there was one. A stored copy of its picture stays an image."""
    found = await connection.execute(delete(Word).where(Word.key == key_of(word_id)))
    return bool(found.rowcount)


async def learn(connection: AsyncConnection, owner: str, key: UUID) -> bool:
    """Adds a word to the owner's vocabulary; whether it is new there. A word that is deleted meanwhile is not added."""
    held = select(literal(owner), Word.key).where(Word.key == key).with_for_update(read=True, key_share=True)
    statement = insert(VocabularyWord).from_select(["owner", "word_key"], held).on_conflict_do_nothing()
    added = await connection.execute(statement.returning(VocabularyWord.word_key))
    return added.one_or_none() is not None


async def unlearn(connection: AsyncConnection, owner: str, key: UUID) -> bool:
    """Takes it out again; whether it was there."""
    mine = delete(VocabularyWord).where(VocabularyWord.owner == owner, VocabularyWord.word_key == key)
    return bool((await connection.execute(mine)).rowcount)


async def texts(connection: AsyncConnection, word: str, *, limit: int) -> Sequence[Row[Any]]:
    """Words with this text in any case of letters, the best rank first."""
    return (await connection.execute(_BY_TEXT, {"text": word, "limit": limit})).all()


_TYPES = (
    bindparam("keys", type_=ARRAY(Uuid)),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("ids", "texts", "languages", "translations")),
    bindparam("ranks", type_=ARRAY(Integer)),
)
_GIVEN = """
    SELECT * FROM unnest(CAST(:keys AS uuid[]), CAST(:ids AS text[]), CAST(:texts AS text[]), CAST(:languages AS text[]),
        CAST(:translations AS text[]), CAST(:ranks AS integer[])) AS given (key, id, text, language, translation, rank)
"""
_OTHER_WORD = "(words.text, words.language) IS DISTINCT FROM (given.text, given.language)"
_OTHER_SEARCH = """
    (words.text, words.language, words.translation) IS DISTINCT FROM (given.text, given.language, given.translation)
"""
_OTHER = """
    (words.text, words.language, words.translation, words.rank)
        IS DISTINCT FROM (given.text, given.language, given.translation, given.rank)
"""
_CREATE = text(f"""
    INSERT INTO words (key, id, text, language, translation, rank)
    SELECT key, id, text, language, translation, rank FROM ({_GIVEN}) AS given
    WHERE NOT EXISTS (SELECT FROM words WHERE words.key = given.key) ORDER BY key
    ON CONFLICT DO NOTHING
""").bindparams(*_TYPES)  # noqa: S608 - no value is in the text
# Not FOR UPDATE: who queues a word, or learns it, holds its key only, and need not wait.
_HOLD = text(f"""
    SELECT words.key FROM words JOIN ({_GIVEN}) AS given ON given.key = words.key
    WHERE {_OTHER} ORDER BY words.key FOR NO KEY UPDATE OF words
""").bindparams(*_TYPES)  # noqa: S608 - no value is in the text
# A photo that somebody named is looked up, and told of, whatever the text is. An attempt that is under way loses its
# fence, so that its answer, which is for the old text, is not written.
_SEARCH_ANEW = text(f"""
    UPDATE word_queue SET task = 'search', step = 0, failures = 0, not_before = NULL, status = 'queued', fence = 0
    FROM words JOIN ({_GIVEN}) AS given ON given.key = words.key
    WHERE word_queue.word_key = words.key AND {_OTHER_SEARCH} AND (word_queue.task = 'search'
        OR (word_queue.task = 'download' AND {_OTHER_WORD}
            AND NOT EXISTS (SELECT FROM word_images WHERE word_images.word_key = words.key AND word_images.named)))
""").bindparams(*_TYPES)  # noqa: S608 - no value is in the text
_DROP_PICTURES = text(f"""
    DELETE FROM word_images USING words JOIN ({_GIVEN}) AS given ON given.key = words.key
    WHERE word_images.word_key = words.key AND NOT word_images.named AND {_OTHER_WORD}
    RETURNING word_images.word_key
""").bindparams(*_TYPES)  # noqa: S608 - no value is in the text
_CHANGE = text(f"""
    UPDATE words SET text = given.text, language = given.language, translation = given.translation, rank = given.rank,
        updated_at = now(),
        missed_at = CASE WHEN NOT {_OTHER_SEARCH} THEN words.missed_at END,
        search_again_at = CASE WHEN NOT {_OTHER_SEARCH} THEN words.search_again_at END,
        miss_code = CASE WHEN NOT {_OTHER_SEARCH} THEN words.miss_code END,
        miss_reason = CASE WHEN NOT {_OTHER_SEARCH} THEN words.miss_reason END,
        rejected = CASE WHEN {_OTHER_WORD} THEN '[]' ELSE words.rejected END,
        revision = CASE WHEN words.key = ANY (:dropped) THEN nextval('word_revisions') ELSE words.revision END
    FROM ({_GIVEN}) AS given WHERE given.key = words.key
    RETURNING words.id, words.text, words.language, words.revision, words.key = ANY (:dropped) AS removed
""").bindparams(*_TYPES, bindparam("dropped", type_=ARRAY(Uuid)))  # noqa: S608 - no value is in the text
_QUEUE_DROPPED = text(f"""
    INSERT INTO word_queue (word_key, lane) SELECT key, {Lane.RECENT:d} FROM unnest(CAST(:dropped AS uuid[])) AS key
    ORDER BY key ON CONFLICT DO NOTHING
""").bindparams(bindparam("dropped", type_=ARRAY(Uuid)))  # noqa: S608 - no value is in the text
_BY_TEXT = text("SELECT * FROM words WHERE lower(text) = lower(:text) ORDER BY rank NULLS LAST, key LIMIT :limit")
