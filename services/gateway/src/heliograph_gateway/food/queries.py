"""The table of food entries, each statement inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.analysis_models import FoodEntry

EntryRow = Row[Any]


async def keep(
    connection: AsyncConnection, entry_id: UUID, owner: str, analysis_id: UUID, entry: Mapping[str, Any]
) -> EntryRow:
    """The entry of that id, which is written unless it is there."""
    values = {"id": entry_id, "owner": owner, "analysis_id": analysis_id, "entry": dict(entry)}
    await connection.execute(insert(FoodEntry).values(values).on_conflict_do_nothing())
    found = select(FoodEntry.__table__).where(FoodEntry.id == entry_id)
    return (await connection.execute(found)).one()


async def delivered(connection: AsyncConnection, entry_id: UUID) -> None:
    """Notes that the user service has the entry."""
    first = update(FoodEntry).where(FoodEntry.id == entry_id, FoodEntry.delivered_at.is_(None))
    await connection.execute(first.values(delivered_at=func.now()))


async def undelivered(
    connection: AsyncConnection, *, after: UUID | None, older_than: timedelta, limit: int
) -> Sequence[EntryRow]:
    """The next entries that the user service has not; not the newest, which a request may be delivering."""
    statement = select(FoodEntry.__table__).where(FoodEntry.delivered_at.is_(None))
    statement = statement.where(FoodEntry.created_at < func.now() - older_than)
    if after is not None:
        statement = statement.where(FoodEntry.id > after)
    return (await connection.execute(statement.order_by(FoodEntry.id).limit(limit))).all()
