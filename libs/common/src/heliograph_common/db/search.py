"""Gives images that are older than the search's tables their words; newer ones get them from triggers. Newest first, a
batch at a time, wherever it was left; one at a time fills, the others find nothing to do."""

from __future__ import annotations

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
_POSITION = select(SearchFill.before).where(SearchFill.finished_at.is_(None)).with_for_update(skip_locked=True)
_NEXT = (
    select(Image.id)
    .where(Image.id < bindparam("before"))
    .order_by(Image.id.desc())
    .limit(bindparam("batch"))
    .subquery()
)


async def fill(connection: AsyncConnection, *, batch: int) -> bool:
    """Fills up to ``batch`` images; whether there may be more."""
    before = (await connection.execute(_POSITION)).scalar_one_or_none()
    if before is None:
        return False
    ids = (await connection.execute(select(_NEXT.c.id), {"before": before, "batch": batch})).scalars().all()
    await connection.execute(_FILL, {"ids": list(ids)})
    more = len(ids) == batch
    moved = update(SearchFill).values(before=ids[-1] if ids else before)
    await connection.execute(moved if more else moved.values(finished_at=func.now()))
    return more
