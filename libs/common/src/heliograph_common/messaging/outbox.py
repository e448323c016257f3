"""The outbox table: rows go in with the transaction that causes them and are deleted once NATS has stored the message.

Rows are claimed by status with ``FOR UPDATE SKIP LOCKED``; a position cursor would skip rows that commit late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID, Envelope, encode
from heliograph_common.db.message_models import OutboxRow
from heliograph_common.telemetry.tracing import inject

LANES = ("work", "events", "dead")
"""Each is published by itself: what one stream refuses holds up no other."""


@dataclass(frozen=True)
class Message:
    """A message on its way to NATS: its id (also its ``Nats-Msg-Id``), subject, headers and body."""

    id: UUID
    subject: str
    headers: dict[str, str]
    payload: bytes

    @property
    def lane(self) -> str:
        """The first part of the subject, which tells the stream."""
        return self.subject.partition(".")[0]


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
    connection: AsyncConnection,
    lane: str,
    *,
    older_than: timedelta,
    lease: timedelta,
    limit: int,
    hold_back: str | None,
) -> list[Message]:
    """Claims the oldest rows of a lane that their own service has left behind, for ``lease``, except subjects with the
    prefix ``hold_back``."""
    due = (
        select(OutboxRow.id)
        .where(
            OutboxRow.lane == lane,
            OutboxRow.quarantined_at.is_(None),
            OutboxRow.created_at < func.now() - older_than,
            or_(OutboxRow.claimed_until.is_(None), OutboxRow.claimed_until < func.now()),
        )
        .order_by(OutboxRow.id)
        .limit(limit)
    )
    if hold_back is not None:
        due = due.where(OutboxRow.subject.not_like(f"{hold_back}%"))
    # A CTE is evaluated once; a plain subquery may be run again by the join and lock more rows than its limit.
    chosen = due.with_for_update(skip_locked=True).cte("chosen")
    statement = (
        update(OutboxRow)
        .where(OutboxRow.id == chosen.c.id)
        .values(claimed_until=func.now() + lease)
        .returning(OutboxRow.id, OutboxRow.subject, OutboxRow.headers, OutboxRow.payload)
    )
    rows = (await connection.execute(statement)).all()
    return sorted((_message(row) for row in rows), key=lambda m: m.id)


async def release_claims(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Gives rows back that could not be published."""
    await connection.execute(update(OutboxRow).where(OutboxRow.id.in_(ids)).values(claimed_until=None))


async def quarantine(connection: AsyncConnection, row_id: UUID, reason: str) -> None:
    """Sets a row aside that can never be published, until a person releases or drops it."""
    statement = update(OutboxRow).where(OutboxRow.id == row_id)
    await connection.execute(statement.values(quarantined_at=func.now(), quarantine_reason=reason, claimed_until=None))


async def quarantine_strays(connection: AsyncConnection) -> int:
    """Sets rows aside whose subject is of no lane, which no sweep would ever take; returns how many."""
    lanes = sorted(LANES)
    bounds = zip(["", *lanes], [*lanes, None], strict=True)  # ranges between the lanes: the index finds them at once
    strays = or_(
        *(and_(OutboxRow.lane > low, *([] if high is None else [OutboxRow.lane < high])) for low, high in bounds)
    )
    statement = update(OutboxRow).where(OutboxRow.quarantined_at.is_(None), or_(strays, OutboxRow.lane == ""))
    reason = f"no stream takes its subject: it begins with none of {', '.join(lanes)}"
    result = await connection.execute(statement.values(quarantined_at=func.now(), quarantine_reason=reason))
    return result.rowcount


async def quarantined(connection: AsyncConnection, *, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """Rows that are set aside, newest first, older than ``after``; without their payloads, whose ``bytes`` are told."""
    statement = select(
        OutboxRow.id,
        OutboxRow.subject,
        OutboxRow.headers,
        OutboxRow.created_at,
        OutboxRow.quarantined_at,
        OutboxRow.quarantine_reason,
        func.octet_length(OutboxRow.payload).label("bytes"),
    ).where(OutboxRow.quarantined_at.is_not(None))
    if after is not None:
        statement = statement.where(OutboxRow.id < after)
    return (await connection.execute(statement.order_by(OutboxRow.id.desc()).limit(limit))).all()


async def release_quarantined(connection: AsyncConnection, row_id: UUID) -> bool:
    """Has a row published after all, as when the server's limit was raised; ``False``: it is not set aside."""
    aside = update(OutboxRow).where(OutboxRow.id == row_id, OutboxRow.quarantined_at.is_not(None))
    result = await connection.execute(aside.values(quarantined_at=None, quarantine_reason=None))
    return result.rowcount == 1


async def drop_quarantined(connection: AsyncConnection, row_id: UUID) -> bool:
    """Deletes a row that is set aside; ``False``: there is no such one."""
    aside = delete(OutboxRow).where(OutboxRow.id == row_id, OutboxRow.quarantined_at.is_not(None))
    return (await connection.execute(aside)).rowcount == 1


async def headers_of(connection: AsyncConnection, row_id: UUID) -> dict[str, str]:
    """The headers of a message that waits, trace context included; none where it does not."""
    found = await connection.execute(select(OutboxRow.headers).where(OutboxRow.id == row_id))
    return dict(found.scalar_one_or_none() or {})


@dataclass(frozen=True)
class Depth:
    """``rows`` that wait, exact up to ``COUNTED`` and an estimate above; the ``oldest``'s age in seconds, 0 when there is
    none; ``quarantined`` ones are not among them."""

    rows: int
    oldest: float
    quarantined: int


COUNTED = 10_000


async def depth(connection: AsyncConnection) -> Depth:
    """How much waits. It costs the same however much that is."""
    return Depth(*(await connection.execute(_DEPTH, {"counted": COUNTED})).one())


_DEPTH = text("""
    SELECT CASE WHEN counted.rows <= :counted THEN counted.rows
           ELSE greatest(counted.rows, (SELECT reltuples FROM pg_class WHERE oid = 'outbox'::regclass)::bigint) END,
           coalesce(extract(epoch FROM now() - (SELECT created_at FROM outbox WHERE quarantined_at IS NULL
                                                ORDER BY id LIMIT 1)), 0)::float8,
           (SELECT count(*) FROM (SELECT FROM outbox WHERE quarantined_at IS NOT NULL LIMIT :counted) AS aside)
    FROM (SELECT count(*) AS rows
          FROM (SELECT FROM outbox WHERE quarantined_at IS NULL LIMIT :counted + 1) AS few) AS counted
""")


def _message(row: Row[Any]) -> Message:
    return Message(id=row.id, subject=row.subject, headers=row.headers, payload=row.payload)
