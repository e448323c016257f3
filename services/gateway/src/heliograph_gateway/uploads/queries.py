"""Rows of uploads that take more than one request, in whichever table, each statement inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.upload_models import UnfinishedUpload

Due = tuple[datetime, UUID]
"""When an upload expired, and its id."""


async def expired(
    connection: AsyncConnection, source: type[UnfinishedUpload], *, before: datetime, after: Due, limit: int
) -> Sequence[Due]:
    """Up to ``limit`` uploads that expired before ``before``, those behind ``after`` in their order."""
    place = tuple_(source.expires_at, source.id)
    statement = select(source.expires_at, source.id).where(source.expires_at < before, place > tuple_(*after))
    found = await connection.execute(statement.order_by(source.expires_at, source.id).limit(limit))
    return [(row.expires_at, row.id) for row in found]


async def forget(connection: AsyncConnection, source: type[UnfinishedUpload], ids: Sequence[UUID]) -> int:
    """Deletes the rows that no other replica is deleting; returns how many. Two replicas that delete the same rows in
    another order would wait for each other."""
    free = select(source.id).where(source.id.in_(ids)).with_for_update(skip_locked=True)
    return (await connection.execute(delete(source).where(source.id.in_(free)))).rowcount


async def known(connection: AsyncConnection, source: type[UnfinishedUpload], ids: Collection[UUID]) -> set[UUID]:
    """Those of ``ids`` that have a row."""
    return set((await connection.execute(select(source.id).where(source.id.in_(ids)))).scalars())
