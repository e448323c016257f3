"""Pages of words and of vocabularies. Each is a range of one index, of which a bounded number of words is looked at: a page
may be short, or empty, and still have a next one (ADR 0013)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, Subquery, and_, case, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from heliograph_common.db.word_models import QueuedWord, VocabularyWord, Word, WordImage

EXAMINED = 5_000
"""Words that one page looks at, at most."""


@dataclass(frozen=True, kw_only=True)
class WordFilter:
    """Which words; ``None`` filters nothing. ``q``: the beginning of their text, in any case of letters."""

    language: str | None = None
    q: str | None = None
    picture: str | None = None

    def as_query(self) -> dict[str, Any]:
        """What a cursor is bound to."""
        return {"list": "words", **asdict(self)}


@dataclass(frozen=True)
class PageOfWords:
    """Words by their ids, and the id after which the next page begins; ``None`` on the last."""

    rows: Sequence[Row[Any]]
    next: str | None


async def page(connection: AsyncConnection, wanted: WordFilter, *, after: str | None, limit: int) -> PageOfWords:
    """Up to ``limit`` words behind the id ``after``, of at most ``EXAMINED`` that are looked at."""
    filtered = wanted != WordFilter()
    window = select(Word.__table__).order_by(Word.id).limit(EXAMINED if filtered else limit + 1)
    if after is not None:
        window = window.where(Word.id > after)
    seen = window.subquery()
    statement = _shown(seen).where(*_conditions(wanted, seen.c)).order_by(seen.c.id).limit(limit + 1)
    rows = (await connection.execute(statement)).all()
    if len(rows) > limit:
        return PageOfWords(rows[:limit], rows[limit - 1].id)
    if not filtered:
        return PageOfWords(rows, None)
    last = select(seen.c.id).order_by(seen.c.id).offset(EXAMINED - 1)
    return PageOfWords(rows, (await connection.execute(last)).scalar_one_or_none())


async def find(connection: AsyncConnection, key: UUID) -> Row[Any] | None:
    """One word."""
    seen = select(Word.__table__).where(Word.key == key).subquery()
    row: Row[Any] | None = (await connection.execute(_shown(seen))).one_or_none()
    return row


async def hold(connection: AsyncConnection, key: UUID) -> Row[Any] | None:
    """A word, held until the transaction ends. Before its row in the queue and its picture: importers lock them so."""
    held = select(Word.__table__).where(Word.key == key).with_for_update(key_share=True)
    return (await connection.execute(held)).one_or_none()


async def vocabulary(connection: AsyncConnection, owner: str, *, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """Words of an owner's vocabulary behind the one with the key ``after``."""
    mine = select(VocabularyWord.__table__).where(VocabularyWord.owner == owner).order_by(VocabularyWord.word_key)
    if after is not None:
        mine = mine.where(VocabularyWord.word_key > after)
    page_ = mine.limit(limit).subquery()
    seen = select(Word.__table__, page_.c.added_at).join(page_, page_.c.word_key == Word.key).subquery()
    rows: Sequence[Row[Any]] = (await connection.execute(_shown(seen).order_by(seen.c.key))).all()
    return rows


async def entry(connection: AsyncConnection, owner: str, key: UUID) -> Row[Any] | None:
    """One word of it."""
    mine = and_(VocabularyWord.word_key == Word.key, VocabularyWord.owner == owner)
    seen = select(Word.__table__, VocabularyWord.added_at).join(VocabularyWord, mine).where(Word.key == key).subquery()
    row: Row[Any] | None = (await connection.execute(_shown(seen))).one_or_none()
    return row


def _shown(seen: Subquery) -> Select[Any]:
    """The words of a subquery, each with the state of its picture."""
    state = case(
        (_has_picture(seen.c), "found"), (_is_queued(seen.c), "queued"), (_is_missed(seen.c), "missed"), else_="none"
    )
    return select(seen, state.label("picture"))


def _conditions(wanted: WordFilter, word: Any) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.language is not None:
        found.append(word.language == wanted.language)
    if wanted.q is not None:
        found.append(func.starts_with(func.lower(word.text), func.lower(wanted.q)))
    if wanted.picture is not None:
        found.append(_PICTURE[wanted.picture](word))
    return found


def _has_picture(word: Any) -> ColumnElement[bool]:
    return select(literal_column("1")).where(WordImage.word_key == word.key).exists()


def _is_queued(word: Any) -> ColumnElement[bool]:
    return select(literal_column("1")).where(QueuedWord.word_key == word.key).exists()


def _is_missed(word: Any) -> ColumnElement[bool]:
    return and_(word.search_again_at.is_not(None), word.search_again_at > func.now())


_PICTURE: dict[str, Any] = {
    "with": _has_picture,
    "without": lambda word: ~_has_picture(word),
    "queued": lambda word: and_(_is_queued(word), ~_has_picture(word)),
    "missed": lambda word: and_(_is_missed(word), ~or_(_has_picture(word), _is_queued(word))),
}
