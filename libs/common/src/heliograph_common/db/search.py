"""Gives images that are older than the search's tables their words; newer ones get them from triggers. Newest first, a
batch at a time, wherever it was left; one at a time fills, the others find nothing to do."""

from __future__ import annotations

from enum import Enum, auto

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.image_models import Image
from heliograph_common.db.search_models import SearchFill

# A document that a trigger has made meanwhile is newer than what is read here: it stays, and its words with it.
_FILL = text("""
WITH made AS (
    INSERT INTO image_documents (image_id, words)
    SELECT id, search_document(name, caption, alt_text, tags) FROM images WHERE id = ANY(:ids) AND deleted_at IS NULL
    ON CONFLICT DO NOTHING
    RETURNING image_id, words
)
INSERT INTO image_words (owner, word, image_id)
SELECT owner, unnest(tsvector_to_array(words)) AS word, image_id FROM made JOIN images ON id = image_id
ORDER BY owner, word, image_id
ON CONFLICT DO NOTHING
""")
_POSITION = select(SearchFill.before, SearchFill.finished_at).with_for_update(skip_locked=True)
_NEXT = select(Image.id).where(Image.id < bindparam("before")).order_by(Image.id.desc()).limit(bindparam("batch"))


class Filled(Enum):
    """What a call of ``fill`` found."""

    SOME = auto()
    ALL = auto()
    """There is none left."""
    OTHERS = auto()
    """Somebody else fills."""


async def fill(connection: AsyncConnection, *, batch: int) -> Filled:
    """Fills up to ``batch`` images."""
    position = (await connection.execute(_POSITION)).one_or_none()
    if position is None:
        return Filled.OTHERS
    if position.finished_at is not None:
        return Filled.ALL
    ids = (await connection.execute(_NEXT, {"before": position.before, "batch": batch})).scalars().all()
    if not ids:
        await connection.execute(update(SearchFill).values(finished_at=func.now()))
        return Filled.ALL
    await connection.execute(_FILL, {"ids": list(ids)})
    await connection.execute(update(SearchFill).values(before=ids[-1]))
    return Filled.SOME
