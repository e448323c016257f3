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
    """How many words were created, changed, and there already."""

    created: int
    updated: int
    unchanged: int


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
    unless somebody named its picture."""
    ordered = sorted(entries.values(), key=lambda entry: key_of(entry.id))  # two bulks wait for each other in one order
    values = {
        "keys": [key_of(entry.id) for entry in ordered],
        "ids": [entry.id for entry in ordered],
        "texts": [entry.text for entry in ordered],
        "languages": [entry.language for entry in ordered],
        "translations": [entry.translation for entry in ordered],
        "ranks": [entry.rank for entry in ordered],
    }
    await connection.execute(_FORGET_OLD, values)
    created, updated = (await connection.execute(_WRITE, values)).one()
    return Written(created, updated, len(ordered) - created - updated)


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
_FORGET_OLD = text(f"""
    WITH given AS ({_GIVEN}), other AS (
        SELECT words.key FROM words JOIN given USING (key)
        WHERE (words.text, words.language) IS DISTINCT FROM (given.text, given.language)
        ORDER BY words.key FOR UPDATE OF words
    ), pictures AS (
        DELETE FROM word_images USING other WHERE word_images.word_key = other.key AND NOT word_images.named
    ), steps AS (
        DELETE FROM word_queue USING other WHERE word_queue.word_key = other.key
    )
    UPDATE words SET missed_at = NULL, search_again_at = NULL, miss_code = NULL, miss_reason = NULL, rejected = '[]'
    FROM other WHERE words.key = other.key
""").bindparams(*_TYPES)  # noqa: S608 - no value is in the text
_WRITE = text(f"""
    WITH given AS ({_GIVEN}), written AS (
        INSERT INTO words (key, id, text, language, translation, rank)
        SELECT key, id, text, language, translation, rank FROM given
        ON CONFLICT (key) DO UPDATE SET text = excluded.text, language = excluded.language,
            translation = excluded.translation, rank = excluded.rank, updated_at = now()
        WHERE (words.text, words.language, words.translation, words.rank)
            IS DISTINCT FROM (excluded.text, excluded.language, excluded.translation, excluded.rank)
        RETURNING xmax = 0 AS created
    )
    SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated FROM written
""").bindparams(*_TYPES)  # noqa: S608 - no value is in the text
_BY_TEXT = text("SELECT * FROM words WHERE lower(text) = lower(:text) ORDER BY rank NULLS LAST, key LIMIT :limit")
