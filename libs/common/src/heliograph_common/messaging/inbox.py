"""The inbox table: which messages a consumer has handled. Its row commits with the effect, so the effect happens once."""

from __future__ import annotations

from datetime import timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import Table, and_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.engine import Database
from heliograph_common.db.message_models import InboxRow

FORGET_BATCH = 10_000
KEEPS = timedelta(days=8)
"""Longer than a stream can hold a message that was once delivered."""

_INBOX = cast("Table", InboxRow.__table__)
_SEEN = select(_INBOX.c.consumer).where(
    _INBOX.c.consumer == bindparam("by"), _INBOX.c.message_id == bindparam("message")
)
_RECORD = insert(_INBOX).on_conflict_do_nothing().returning(_INBOX.c.consumer)


async def seen(connection: AsyncConnection, consumer: str, message_id: UUID) -> bool:
    """Whether ``consumer`` has handled the message."""
    values = {"by": consumer, "message": message_id}
    return (await connection.execute(_SEEN, values)).first() is not None


async def record(connection: AsyncConnection, consumer: str, message_id: UUID) -> bool:
    """Notes that ``consumer`` handles the message in this transaction; ``False`` when it was handled before."""
    values = {"consumer": consumer, "message_id": message_id}
    return (await connection.execute(_RECORD, values)).first() is not None


async def forget_old(database: Database) -> int:
    """Deletes all rows older than ``KEEPS``, a batch at a time; returns how many.

    Raises:
        DatabaseUnavailable: the rest is left for the next time.
    """
    total, forgotten = 0, FORGET_BATCH
    while forgotten == FORGET_BATCH:
        async with database.transaction() as connection:
            forgotten = await forget(connection, older_than=KEEPS)
        total += forgotten
    return total


async def forget(connection: AsyncConnection, *, older_than: timedelta) -> int:
    """Deletes rows that no redelivery can ask for any more, up to ``FORGET_BATCH`` of them; returns how many."""
    old = (
        select(InboxRow.consumer, InboxRow.message_id)
        .where(InboxRow.processed_at < func.now() - older_than)
        .limit(FORGET_BATCH)
        .with_for_update(skip_locked=True)
    ).cte("old")
    mine = and_(InboxRow.consumer == old.c.consumer, InboxRow.message_id == old.c.message_id)
    return (await connection.execute(delete(InboxRow).where(mine))).rowcount
