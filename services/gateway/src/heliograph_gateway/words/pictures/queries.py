"""Rows of the queue of words as a change of the picture leaves them. The word is locked before (``words.queries.hold``)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.word_models import QueuedWord


async def drop(connection: AsyncConnection, key: UUID, *, task: str | None = None) -> None:
    """Takes the word out of the queue. ``task``: only if that is what it waits for."""
    mine = delete(QueuedWord).where(QueuedWord.word_key == key)
    await connection.execute(mine if task is None else mine.where(QueuedWord.task == task))
