"""The outbox table: rows go in with the transaction that causes them and are deleted once NATS has stored the message.

Rows are claimed by status with ``FOR UPDATE SKIP LOCKED``; a position cursor would skip rows that commit late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID, Envelope, encode
from heliograph_common.db.models import OutboxRow
from heliograph_common.telemetry.tracing import inject

_ROW = (OutboxRow.id, OutboxRow.subject, OutboxRow.headers, OutboxRow.payload, OutboxRow.deliveries)


@dataclass(frozen=True)
class Message:
    """A message on its way to NATS: its id (also its ``Nats-Msg-Id``), subject, headers and body."""

    id: UUID
    subject: str
    headers: dict[str, str]
    payload: bytes


def message(subject: str, envelope: Envelope) -> Message:
    """``envelope`` as a message that carries the present trace context."""
    headers = {HEADER_MESSAGE_ID: str(envelope.id)}
    inject(headers)
    return Message(id=envelope.id, subject=subject, headers=headers, payload=encode(envelope))


async def add(connection: AsyncConnection, messages: Sequence[Message]) -> None:
    """Puts messages into the outbox, as part of the caller's transaction."""
    rows = [{"id": m.id, "subject": m.subject, "headers": m.headers, "payload": m.payload} for m in messages]
    await connection.execute(insert(OutboxRow), rows)


async def remove(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Deletes rows whose messages NATS has stored."""
    await connection.execute(delete(OutboxRow).where(OutboxRow.id.in_(ids)))


async def claim_stranded(
    connection: AsyncConnection, *, older_than: timedelta, lease: timedelta, limit: int, except_prefix: str | None
) -> list[Message]:
    """Claims the oldest rows that their own service has left behind, for ``lease``, except subjects with a prefix."""
    due = (
        select(OutboxRow.id)
        .where(OutboxRow.created_at < func.now() - older_than, _unclaimed(), *_not_under(except_prefix))
        .order_by(OutboxRow.id)
        .limit(limit)
    )
    rows = await _claim(connection, due, lease=lease, deliveries=OutboxRow.deliveries)
    return sorted((_message(row) for row in rows), key=lambda m: m.id)


async def claim_command(connection: AsyncConnection, subject: str, *, lease: timedelta) -> tuple[Message, int] | None:
    """Claims the oldest command of ``subject`` to be worked on directly; returns it and how often it was claimed."""
    due = select(OutboxRow.id).where(OutboxRow.subject == subject, _unclaimed()).order_by(OutboxRow.id).limit(1)
    rows = await _claim(connection, due, lease=lease, deliveries=OutboxRow.deliveries + 1)
    return (_message(rows[0]), rows[0].deliveries) if rows else None


async def extend_claim(connection: AsyncConnection, row_id: UUID, lease: timedelta) -> None:
    """Moves the end of a claim to ``lease`` from now."""
    await connection.execute(update(OutboxRow).where(OutboxRow.id == row_id).values(claimed_until=func.now() + lease))


async def release_claims(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Gives rows back that could not be published."""
    await connection.execute(update(OutboxRow).where(OutboxRow.id.in_(ids)).values(claimed_until=None))


async def depth(connection: AsyncConnection) -> tuple[int, float]:
    """The number of rows and the age of the oldest in seconds."""
    oldest = func.coalesce(func.extract("epoch", func.now() - func.min(OutboxRow.created_at)), 0)
    count, age = (await connection.execute(select(func.count(), oldest).select_from(OutboxRow))).one()
    return int(count), float(age)


def _not_under(prefix: str | None) -> list[ColumnElement[bool]]:
    return [] if prefix is None else [OutboxRow.subject.not_like(f"{prefix}%")]


def _unclaimed() -> Any:
    return or_(OutboxRow.claimed_until.is_(None), OutboxRow.claimed_until < func.now())


async def _claim(
    connection: AsyncConnection, due: Select[UUID], *, lease: timedelta, deliveries: Any
) -> Sequence[Row[Any]]:
    # A CTE is evaluated once; a plain subquery may be run again by the join and lock more rows than its limit.
    chosen = due.with_for_update(skip_locked=True).cte("chosen")
    statement = (
        update(OutboxRow)
        .where(OutboxRow.id == chosen.c.id)
        .values(claimed_until=func.now() + lease, deliveries=deliveries)
        .returning(*_ROW)
    )
    return (await connection.execute(statement)).all()


def _message(row: Row[Any]) -> Message:
    return Message(id=row.id, subject=row.subject, headers=row.headers, payload=row.payload)
