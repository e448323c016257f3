"""Words and pictures as importers leave them, without an importer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import text

from heliograph_common.contracts.word_messages import Photo
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Row
from heliograph_common.db.words import pictures
from heliograph_common.db.words.entries import key_of
from heliograph_common.db.words.pictures import Choice


def word(word_id: str, text: str = "lighthouse", **fields: Any) -> dict[str, Any]:
    return {"id": word_id, "text": text, "language": "en", **fields}


async def put(client: httpx2.AsyncClient, *words: dict[str, Any]) -> dict[str, int]:
    """Sends words; what became of them."""
    answer = await client.put("/v1/words", json={"words": words})
    assert answer.status_code == 200, answer.text
    told: dict[str, int] = answer.json()
    return told


def photo(photo_id: str = "p1", **fields: Any) -> Photo:
    page, file = f"https://unsplash.com/photos/{photo_id}", f"https://images.unsplash.com/{photo_id}"
    values: dict[str, Any] = {
        "provider": "unsplash", "id": photo_id, "page_url": f"{page}?utm_source=a&utm_medium=referral",
        "image_url": f"{file}?w=1080", "thumb_url": f"{file}?w=200", "full_url": file, "width": 4000, "height": 3000,
        "photographer": "Zoë <b>", "photographer_url": "https://unsplash.com/@zoe?utm_source=a&utm_medium=referral",
        "download_location": f"https://api.unsplash.com/photos/{photo_id}/download", **fields,
    }  # fmt: skip
    return Photo(**values)


async def choose(db: Database, word_id: str, *photos: Photo, store: bool = False) -> None:
    """Gives the word the first of ``photos``; the others are its alternatives."""
    async with db.transaction() as connection:
        choice = Choice(photos[0], photos[1:], query="lighthouse", score=0.9)
        await pictures.choose(connection, key_of(word_id), choice, store=store)
        await connection.execute(text("DELETE FROM word_queue WHERE word_key = :key"), {"key": key_of(word_id)})


async def miss(db: Database, word_id: str, *, days: float = 30) -> None:
    async with db.transaction() as connection:
        reason, keep = "no provider has a picture", timedelta(days=days)
        await pictures.miss(connection, key_of(word_id), code="no_results", reason=reason, keep=keep)
        await connection.execute(text("DELETE FROM word_queue WHERE word_key = :key"), {"key": key_of(word_id)})


async def queued(db: Database, word_id: str) -> Row[Any] | None:
    """Its row in the queue."""
    async with db.transaction() as connection:
        statement = text("SELECT * FROM word_queue WHERE word_key = :key")
        return (await connection.execute(statement, {"key": key_of(word_id)})).one_or_none()
