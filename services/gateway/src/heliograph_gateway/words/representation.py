"""Rows of words as the JSON that clients see. Pure; the shapes are those of ``schemas``."""

from __future__ import annotations

from typing import Any

from heliograph_common.clock import rfc3339
from heliograph_common.db.rows import Row


def path_of(word_id: str) -> str:
    """Where a word is."""
    return f"/v1/words/{word_id}"


def word(row: Row[Any]) -> dict[str, Any]:
    """A word, as every route returns it. ``row`` is of ``queries.SHOWN``."""
    path = path_of(row.id)
    return {
        "id": row.id,
        "revision": row.revision,
        "text": row.text,
        "language": row.language,
        "translation": row.translation,
        "rank": row.rank,
        "picture": row.picture,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "links": {"self": path, "image": f"{path}/image"},
    }


def entry(row: Row[Any]) -> dict[str, Any]:
    """A word of a vocabulary. ``row`` has ``added_at`` too."""
    return {"word": word(row), "added_at": rfc3339(row.added_at)}
