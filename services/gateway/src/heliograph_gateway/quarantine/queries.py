"""Who quarantined messages concern."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.envelope import decode
from heliograph_common.db.message_models import OutboxRow
from heliograph_common.errors import MalformedMessage


async def owners_of_messages(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Who the messages of the outbox concern, where they can be read. One payload is in memory at a time: those that are
    quarantined may be large."""
    owners = {}
    for message_id in ids:
        payload = (
            await connection.execute(select(OutboxRow.payload).where(OutboxRow.id == message_id))
        ).scalar_one_or_none()
        with suppress(MalformedMessage):
            owners[message_id] = decode(payload or b"").owner
    return owners
