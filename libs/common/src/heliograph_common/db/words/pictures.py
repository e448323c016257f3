"""Pictures of words: chosen, exchanged, stored, forgotten; and words for which there is none.

A word is locked before its picture, by everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Integer, String, case, cast, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.word_messages import Photo
from heliograph_common.db.rows import Row
from heliograph_common.db.word_models import WORD_REVISIONS, Word, WordImage

MOST_REJECTED = 100
_CANDIDATES = 9


@dataclass(frozen=True)
class Choice:
    """A photo that was chosen for a word, and what else could have been."""

    photo: Photo
    candidates: Sequence[Photo] = ()
    query: str | None = None
    score: float | None = None
    named: bool = False


async def find(connection: AsyncConnection, key: UUID) -> Row[Any] | None:
    """The picture of a word."""
    return (await connection.execute(select(WordImage.__table__).where(WordImage.word_key == key))).one_or_none()


async def choose(connection: AsyncConnection, key: UUID, choice: Choice, *, store: bool) -> Row[Any]:
    """Gives a word its picture, in place of another one; returns the word."""
    values = {
        "provider": choice.photo.provider,
        "photo_id": choice.photo.id,
        "photo": msgspec.to_builtins(choice.photo),
        "candidates": [msgspec.to_builtins(photo) for photo in choice.candidates[:_CANDIDATES]],
        "query": choice.query,
        "score": choice.score,
        "named": choice.named,
        "downloaded_at": None,
        "image_id": None,
        "storing": "pending" if store else "no",
        "error": None,
        "found_at": func.now(),
    }
    word = await _changed(connection, key, **_NOT_MISSED)
    statement = insert(WordImage).values(word_key=key, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["word_key"], set_=values))
    return word


async def reject(connection: AsyncConnection, key: UUID, provider: str, photo_id: str) -> None:
    """Notes that somebody does not want a photo for the word. Of too many the oldest is forgotten."""
    name = func.to_jsonb(cast(f"{provider}:{photo_id}", String))
    known = Word.rejected.contains(func.jsonb_build_array(cast(f"{provider}:{photo_id}", String)))
    many = func.jsonb_array_length(Word.rejected) >= MOST_REJECTED
    kept = case((many, Word.rejected.op("-", return_type=JSONB)(literal(0, Integer))), else_=Word.rejected)
    added = update(Word).where(Word.key == key, ~known).values(rejected=kept.op("||", return_type=JSONB)(name))
    await connection.execute(added)


async def note_download(connection: AsyncConnection, key: UUID, photo_id: str) -> None:
    """Notes that the provider was told of the download."""
    await _hold(connection, key)
    mine = update(WordImage).where(WordImage.word_key == key, WordImage.photo_id == photo_id)
    await connection.execute(mine.values(downloaded_at=func.now()))


async def note_stored(connection: AsyncConnection, key: UUID, photo_id: str, image_id: UUID) -> Row[Any] | None:
    """Notes the stored copy; returns the word, ``None`` when it has another picture by now."""
    await _hold(connection, key)
    mine = update(WordImage).where(WordImage.word_key == key, WordImage.photo_id == photo_id)
    found = await connection.execute(mine.values(image_id=image_id, storing="done", error=None))
    return await _changed(connection, key) if found.rowcount else None


async def note_not_stored(connection: AsyncConnection, key: UUID, photo_id: str, error: str) -> None:
    """Notes that there will be no copy: the picture is only linked."""
    await _hold(connection, key)
    mine = update(WordImage).where(WordImage.word_key == key, WordImage.photo_id == photo_id)
    await connection.execute(mine.values(storing="failed", error=error))


async def forget(connection: AsyncConnection, key: UUID) -> Row[Any] | None:
    """Removes the picture of a word and what is known of a miss; returns the word if it had a picture."""
    word = await _changed(connection, key, **_NOT_MISSED)
    found = await connection.execute(delete(WordImage).where(WordImage.word_key == key))
    return word if found.rowcount else None


async def miss(
    connection: AsyncConnection, key: UUID, *, code: str, reason: str, keep: timedelta, now: datetime | None = None
) -> Row[Any]:
    """Notes that there is no picture for a word, and that it is not searched again before ``keep`` has passed; returns the
    word."""
    at = func.now() if now is None else now
    return await _changed(connection, key, missed_at=at, search_again_at=at + keep, miss_code=code, miss_reason=reason)


def event_facts(word: Row[Any]) -> dict[str, Any]:
    """What every event about the word tells: arguments of a ``WordEvent``, from the row that the change returned."""
    return {"word_id": word.id, "text": word.text, "language": word.language, "revision": word.revision}


async def _hold(connection: AsyncConnection, key: UUID) -> None:
    await connection.execute(select(Word.key).where(Word.key == key).with_for_update(key_share=True))


async def _changed(connection: AsyncConnection, key: UUID, **values: Any) -> Row[Any]:
    statement = update(Word).where(Word.key == key).values(revision=WORD_REVISIONS.next_value(), **values)
    return (await connection.execute(statement.returning(*Word.__table__.columns))).one()


_NOT_MISSED: dict[str, Any] = {"missed_at": None, "search_again_at": None, "miss_code": None, "miss_reason": None}
