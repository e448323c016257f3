"""Pages of the images that a search matches, newest first.

``image_words`` has an owner's images with a word in the order of their ids. A page takes the part of the search that the
fewest images have, reads these from there, at most ``EXAMINED``, and compares each with the whole search. So it looks at a
bounded number of images whatever is searched for, and is full at once where the search is one word. A search without a part
to begin with (``-beach``, or the beginning of too many words) looks at the owner's newest images instead. Like a filter that
no index serves, a page may be short, or empty, and still have a next one (ADR 0013, ADR 0021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Text, cast, func, literal, select, text, true
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.image_models import Image
from heliograph_common.db.search_models import ImageDocument, ImageWord
from heliograph_gateway.images.queries import ImageFilter, PageOfImages, conditions, span, window_of
from heliograph_gateway.images.search import words
from heliograph_gateway.images.search.words import Clause, Phrase

EXAMINED = 2_000
"""Images that one page looks at, at most."""
_COUNTED = 1_000
"""Images that are counted for a word, at most: beyond, one is as common as another."""
_COUNTED_IN_ALL = 16_000
_BEGINNINGS = 32
"""Words that the beginning of one may stand for, at most."""

_SPLIT = text("SELECT term, ARRAY(SELECT search_tokens(term)) AS words FROM unnest(CAST(:terms AS text[])) AS term")
_WORDS_FROM = text("""
WITH RECURSIVE found (word) AS (
    (SELECT word FROM image_words WHERE owner = :owner AND word >= :start ORDER BY word LIMIT 1)
    UNION ALL
    SELECT (SELECT word FROM image_words WHERE owner = :owner AND word > found.word ORDER BY word LIMIT 1)
    FROM found WHERE starts_with(found.word, :start)
)
SELECT word FROM found WHERE starts_with(word, :start) LIMIT :up_to
""")


@dataclass(frozen=True)
class _Candidates:
    """Where a page's images are read from. ``ids``: newest first. ``last``: the oldest that was read of those that have more
    behind them, which is where the next page begins; all ids are read down to there."""

    ids: Select[UUID]
    last: Select[UUID]


async def understood(connection: AsyncConnection, q: str) -> list[Clause]:
    """What ``q`` asks for; empty if there is no word in it."""
    terms = words.read(q.replace("\x01", " "))
    texts = sorted({term.text for clause in terms for term in clause})
    rows = (await connection.execute(_SPLIT, {"terms": texts})).all()
    return words.split(terms, {row.term: row.words for row in rows})


def matches(search: Sequence[Clause], image_id: Any) -> ColumnElement[bool]:
    """Whether the image of ``image_id`` is found."""
    query = cast(words.as_tsquery(search), TSQUERY)
    return (
        select(literal(1)).where(ImageDocument.image_id == image_id, ImageDocument.words.bool_op("@@")(query)).exists()
    )


async def page_of_matches(
    connection: AsyncConnection,
    owner: str,
    search: Sequence[Clause],
    wanted: ImageFilter,
    *,
    before: UUID | None,
    limit: int,
) -> PageOfImages:
    """Up to ``limit`` images older than the image ``before`` that ``search`` finds, of at most ``EXAMINED`` looked at. An
    empty search finds none."""
    if not search:
        return PageOfImages([], None)
    await connection.execute(text("SET LOCAL jit = off"))
    leads = await _leads(connection, owner, search, span(wanted, before))
    if leads == []:
        return PageOfImages([], None)
    if leads is None:
        window = window_of(owner, wanted, before).with_only_columns(Image.id)
        candidates = _Candidates(window.limit(EXAMINED), window.offset(EXAMINED - 1).limit(1))
    else:
        candidates = _with_words(owner, leads, span(wanted, before))
    last = (await connection.execute(candidates.last)).scalar_one_or_none()
    rows = (await connection.execute(_found(candidates, last, owner, search, wanted).limit(limit + 1))).all()
    if len(rows) > limit:
        return PageOfImages(rows[:limit], rows[limit - 1].id)
    return PageOfImages(rows, last)


def _found(
    candidates: _Candidates, last: UUID | None, owner: str, search: Sequence[Clause], wanted: ImageFilter
) -> Select[Any]:
    """The candidates that match, one after the other in their order, until there are enough. ``OFFSET 0`` keeps PostgreSQL
    from joining all there is: it cannot know how few are asked for."""
    read = candidates.ids.subquery()
    ids = select(read.c[0].label("id")).distinct().order_by(read.c[0].desc())
    each = (ids if last is None else ids.where(read.c[0] >= last)).limit(EXAMINED).subquery()
    query = cast(words.as_tsquery(search), TSQUERY)
    matching = select(literal(1).label("one")).where(
        ImageDocument.image_id == each.c.id, ImageDocument.words.bool_op("@@")(query)
    )
    image = select(Image.__table__).where(
        Image.id == each.c.id, Image.owner == owner, Image.deleted_at.is_(None), *conditions(wanted)
    )
    document, row = matching.offset(0).lateral("document"), image.offset(0).lateral("image")
    joined = each.join(document, true()).join(row, true())
    return select(*row.c).select_from(joined).order_by(each.c.id.desc())


def _with_words(owner: str, leads: Sequence[str], ids: tuple[UUID, UUID]) -> _Candidates:
    """The newest images with any of these words, as many of each word."""
    share = EXAMINED // len(leads)
    word = func.unnest(literal(leads, ARRAY(Text))).table_valued("word").render_derived()
    having = _having(owner, word.c.word, ids)
    newest, oldest = having.limit(share).lateral("newest"), having.offset(share - 1).limit(1).lateral("oldest")
    return _Candidates(
        select(newest.c.image_id).select_from(word.join(newest, true())),
        select(oldest.c.image_id).select_from(word.join(oldest, true())).order_by(oldest.c.image_id.desc()).limit(1),
    )


def _having(owner: str, word: Any, ids: tuple[UUID, UUID]) -> Select[UUID]:
    """The images with a word, newest first: a range of the primary key."""
    return (
        select(ImageWord.image_id)
        .where(ImageWord.owner == owner, ImageWord.word == word)
        .where(ImageWord.image_id >= ids[0], ImageWord.image_id < ids[1])
        .order_by(ImageWord.image_id.desc())
    )


async def _leads(
    connection: AsyncConnection, owner: str, search: Sequence[Clause], ids: tuple[UUID, UUID]
) -> list[str] | None:
    """Words of which each image that is found has one, those that the fewest images have; empty if there is no image,
    ``None`` if there are no such words."""
    clauses = [[await _options(connection, owner, phrase) for phrase in clause] for clause in search]
    known = {word for clause in clauses for options in clause for option in options for word in option}
    counts = await _count(connection, owner, sorted(known), ids)

    def images(option: Sequence[str]) -> int:
        return sum(counts[word] for word in option)

    chosen = [
        sorted({word for options in clause for word in min(options, key=images)}) for clause in clauses if all(clause)
    ]
    return [word for word in min(chosen, key=images) if counts[word]] if chosen else None


async def _options(connection: AsyncConnection, owner: str, phrase: Phrase) -> list[Sequence[str]]:
    """Words to begin with: of each of these lists, an image with the phrase has one. None for a phrase that is excluded."""
    if phrase.excluded:
        return []
    if not phrase.begins:
        return [(word,) for word in phrase.words]
    if len(phrase.words) > 1:
        return [(word,) for word in phrase.words[:-1]]
    parameters = {"owner": owner, "start": phrase.words[0], "up_to": _BEGINNINGS + 1}
    longer = (await connection.execute(_WORDS_FROM, parameters)).scalars().all()
    return [longer] if len(longer) <= _BEGINNINGS else []


async def _count(
    connection: AsyncConnection, owner: str, known: Sequence[str], ids: tuple[UUID, UUID]
) -> dict[str, int]:
    """How many images have each word; counts no further than makes a difference."""
    if not known:
        return {}
    word = func.unnest(literal(known, ARRAY(Text))).table_valued("word").render_derived()
    up_to = max(1, min(_COUNTED, _COUNTED_IN_ALL // len(known)))
    some = _having(owner, word.c.word, ids).limit(up_to).lateral("some")
    images = select(word.c.word, func.count(some.c.image_id).label("images")).group_by(word.c.word)
    rows = (await connection.execute(images.select_from(word.outerjoin(some, true())))).all()
    return {row.word: row.images for row in rows}
