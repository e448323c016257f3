"""Rows of the queue of words as a change of the picture leaves them. The word is locked before (``words.queries.hold``)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Text, bindparam, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.word_models import QueuedWord
from heliograph_common.db.words.queue import Lane


async def download_next(connection: AsyncConnection, key: UUID, owner: str) -> None:
    """Has the provider told of the word's picture, and its file fetched where copies are kept, whatever was next before. An
    attempt in hand sees when it ends that something else is wanted."""
    await connection.execute(_DOWNLOAD, {"key": key, "owner": owner, "lane": int(Lane.UNDER_WAY)})


async def drop(connection: AsyncConnection, key: UUID, *, task: str | None = None) -> None:
    """Takes the word out of the queue. ``task``: only if that is what it waits for."""
    mine = delete(QueuedWord).where(QueuedWord.word_key == key)
    await connection.execute(mine if task is None else mine.where(QueuedWord.task == task))


_DOWNLOAD = text("""
    INSERT INTO word_queue AS queued (word_key, lane, task, asked_by) VALUES (:key, :lane, 'download', :owner)
    ON CONFLICT (word_key) DO UPDATE SET
        lane = excluded.lane, task = 'download', step = 0, photo_id = NULL, failures = 0, not_before = NULL,
        asked_by = coalesce(queued.asked_by, excluded.asked_by),
        ticket = CASE WHEN queued.lane = excluded.lane THEN queued.ticket ELSE nextval('word_tickets') END
""").bindparams(bindparam("owner", type_=Text))
