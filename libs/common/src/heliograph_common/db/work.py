"""Statements on the table of work, each inside its caller's transaction. All times are the database's.

Asking for work (``request``) is the transactions'; beginning, ending and giving back the worker's; ``claim_rows`` that of
workers without NATS; ``due`` and ``resend`` the reconciler's. Leaves out what the work is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Interval,
    Row,
    Table,
    TextClause,
    Uuid,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from heliograph_common.db.message_models import OutboxRow
from heliograph_common.db.work_models import WORK_FENCES, Work

WorkRow = Row[Any]

PATIENCE = timedelta(minutes=5)
"""How long work may be without a sign of progress before the reconciler looks after it."""
_LONGEST_WAIT = timedelta(hours=1)
_ASKED = ("owner", "subject", "message_type", "message_version", "message_data")


@dataclass(frozen=True, kw_only=True)
class Request:
    """Work that is wanted: ``command_id`` is the id of the command that asks for it on ``subject``, with a message of
    ``message_type``, ``message_version`` and ``message_data``."""

    kind: str
    target: UUID
    owner: str
    subject: str
    message_type: str
    message_version: int
    message_data: Mapping[str, Any]
    command_id: UUID


async def request(connection: AsyncConnection, wanted: Sequence[Request]) -> set[UUID]:
    """Writes the rows; returns the ids of the commands to be sent. For work that there is already none is sent: it waits,
    or it is in hand and done once more afterwards. Only a command that says something else takes the place of one that
    waits. No two of ``wanted`` may have the same target."""
    if not wanted:
        return set()
    rows = [
        {
            "kind": each.kind,
            "target": each.target,
            "owner": each.owner,
            "subject": each.subject,
            "message_type": each.message_type,
            "message_version": each.message_version,
            "message_data": dict(each.message_data),
            "command_id": each.command_id,
        }
        for each in sorted(wanted, key=lambda one: (one.kind, one.target))  # in one order, so that none deadlock
    ]
    waiting = set((await connection.execute(_REQUEST, rows)).scalars())
    sent = {each.command_id for each in wanted}
    return sent & waiting


async def begin(
    connection: AsyncConnection,
    kind: str,
    target: UUID,
    *,
    message_id: UUID,
    by: str,
    hold: timedelta,
    fence: int | None = None,
) -> WorkRow | None:
    """Begins an attempt for the delivery ``message_id`` and returns the row with its new fence; ``None``: there is no such
    work, or someone else has it (``find`` tells which). Another delivery of the same message takes over. With the
    ``fence`` of an attempt that nobody has taken over, that attempt goes on: an outage begins nothing new."""
    values = {
        "its_kind": kind,
        "its_target": target,
        "message": message_id,
        "worker": by,
        "hold": hold,
        "own_fence": -1 if fence is None else fence,
    }
    return cast("WorkRow | None", (await connection.execute(_BEGIN, values)).one_or_none())


async def find(connection: AsyncConnection, kind: str, target: UUID) -> WorkRow | None:
    """The row, if the work is unfinished."""
    statement = select(Work.__table__).where(Work.kind == kind, Work.target == target)
    return (await connection.execute(statement)).one_or_none()


async def lock(connection: AsyncConnection, kind: str, target: UUID) -> None:
    """Holds the row, if there is one, until the transaction ends."""
    row = select(Work.kind).where(Work.kind == kind, Work.target == target).with_for_update()
    await connection.execute(row)


async def end(connection: AsyncConnection, kind: str, target: UUID, fence: int | None) -> WorkRow | None:
    """Ends the work of the attempt with ``fence``; ``None`` when that is not the newest (any more). A row that is returned
    with ``again`` is still there, and wants a command: see ``send_again``."""
    values = {"its_kind": kind, "its_target": target, "own_fence": fence}
    row = (await connection.execute(_END, values)).one_or_none()
    if row is not None:
        return row
    return (await connection.execute(_END_FOR_NOW, values)).one_or_none()


async def send_again(connection: AsyncConnection, row: WorkRow, command_id: UUID) -> None:
    """Has work that was asked for again begin from the start, by a new command."""
    statement = update(Work).where(Work.kind == row.kind, Work.target == row.target)
    await connection.execute(
        statement.values(again=False, attempts=0, failures=0, **_sent_anew(), command_id=command_id)
    )


async def give_back(
    connection: AsyncConnection, kind: str, target: UUID, fence: int, *, delay: float, failed: bool
) -> int | None:
    """Ends an attempt whose work is not done, to be begun again after ``delay`` seconds; returns how many have failed.
    One that has not ``failed`` by itself does not count as an attempt. ``None``: it is not the newest any more."""
    statement = (
        update(Work)
        .where(Work.kind == kind, Work.target == target, Work.fence == fence)
        .values(
            leased_by=None,
            lease_message=None,
            leased_until=None,
            attempts=Work.attempts if failed else func.greatest(Work.attempts - 1, 0),
            failures=Work.failures + (1 if failed else 0),
            not_before=func.now() + timedelta(seconds=delay),
            check_at=func.now() + timedelta(seconds=delay) + PATIENCE,
        )
        .returning(Work.failures)
    )
    return (await connection.execute(statement)).scalar_one_or_none()


async def forget(connection: AsyncConnection, kind: str, target: UUID) -> None:
    """Drops work whose target is gone; an attempt in hand finds that out when it writes."""
    await connection.execute(delete(Work).where(Work.kind == kind, Work.target == target))


async def note_published(connection: AsyncConnection, published: Mapping[UUID, int]) -> None:
    """Notes where in its stream each command (by its id) was stored."""
    await connection.execute(_NOTE_PUBLISHED, {"ids": list(published), "sequences": list(published.values())})


async def claim_row(
    connection: AsyncConnection,
    subject: str,
    *,
    by: str,
    message_id: UUID,
    lease: timedelta,
    unpublished_for: timedelta | None,
) -> WorkRow | None:
    """Leases the oldest work of ``subject`` that nobody has and that may begin, to be begun with ``message_id``.
    ``unpublished_for``: only such whose command NATS has not stored for that long."""
    free = or_(Work.leased_until.is_(None), Work.leased_until < func.now())
    waiting = select(Work.kind, Work.target).where(Work.subject == subject, free, Work.not_before <= func.now())
    if unpublished_for is None:
        waiting = waiting.order_by(Work.sent_at)
    else:  # by way of the outbox, which has just these, however much was published
        left = and_(OutboxRow.subject == subject, OutboxRow.created_at < func.now() - unpublished_for)
        waiting = waiting.join(OutboxRow, and_(OutboxRow.id == Work.command_id, left)).order_by(OutboxRow.id)
    # A CTE is evaluated once; a plain subquery may be run again by the join and lock more rows than its limit.
    chosen = waiting.limit(1).with_for_update(skip_locked=True, of=Work).cte("chosen")
    statement = (
        update(Work)
        .where(Work.kind == chosen.c.kind, Work.target == chosen.c.target)
        .values(leased_by=by, lease_message=message_id, leased_until=func.now() + lease)
        .returning(*Work.__table__.columns)
    )
    return (await connection.execute(statement)).one_or_none()


async def due(connection: AsyncConnection, *, limit: int) -> Sequence[WorkRow]:
    """Work whose deadline has passed, the longest ago first, locked; ``in_outbox`` says whether its command waits there,
    ``in_hand`` whether an attempt is under way. Whoever else has some of it locked keeps it."""
    return (await connection.execute(_DUE, {"limit": limit})).all()


async def look_later(connection: AsyncConnection, rows: Sequence[WorkRow]) -> None:
    """Sets the next deadline of work that is waiting as it should: after as long as it has waited, at most an hour."""
    keys = {"kinds": [row.kind for row in rows], "targets": [row.target for row in rows]}
    await connection.execute(_LOOK_LATER, keys | {"least": PATIENCE, "most": _LONGEST_WAIT})


async def resend(connection: AsyncConnection, commands: Mapping[tuple[str, UUID], UUID]) -> None:
    """Notes the new command of each work (by kind and target)."""
    await connection.execute(
        _RESEND,
        {
            "kinds": [kind for kind, _ in commands],
            "targets": [target for _, target in commands],
            "ids": list(commands.values()),
            "patience": PATIENCE,
        },
    )


async def hasten(connection: AsyncConnection, *, published_before: datetime, limit: int) -> int:
    """Has the deadline of work pass whose command was published before that moment, because its stream was lost; up to
    ``limit`` of it. Returns how much that was."""
    lost = select(Work.kind, Work.target).where(Work.published_at < published_before, Work.check_at > func.now())
    chosen = lost.limit(limit).with_for_update(skip_locked=True).cte("chosen")
    mine = and_(Work.kind == chosen.c.kind, Work.target == chosen.c.target)
    return (await connection.execute(update(Work).where(mine).values(check_at=func.now()))).rowcount


def _sent_anew() -> dict[str, Any]:
    return {
        "sent_at": func.now(),
        "published_seq": None,
        "published_at": None,
        "not_before": func.now(),
        "check_at": func.now() + PATIENCE,
    }


def _request() -> ReturningInsert[tuple[UUID]]:
    statement = insert(_WORK).values(check_at=func.now() + PATIENCE)
    new = statement.excluded
    another = _WORK.c.message_data.is_distinct_from(new.message_data)
    in_hand = _WORK.c.leased_until.is_not(None)
    changes = {name: case((another, new[name]), else_=_WORK.c[name]) for name in _ASKED}
    instead = and_(another, ~in_hand)
    changes |= {
        name: case((instead, new[name]), else_=_WORK.c[name])
        for name in ("command_id", "sent_at", "published_seq", "published_at", "check_at")
    }
    known = statement.on_conflict_do_update(
        index_elements=["kind", "target"], set_={**changes, "again": or_(_WORK.c.again, in_hand)}
    )
    return known.returning(_WORK.c.command_id)


def _begin() -> ReturningUpdate[Any]:
    goes_on = _WORK.c.fence == bindparam("own_fence", type_=BigInteger)
    expired = _WORK.c.leased_until < func.now()
    free = or_(_WORK.c.leased_until.is_(None), expired, _WORK.c.lease_message == bindparam("message"), goes_on)
    return (
        update(_WORK)
        .where(_ITS, free)
        .values(
            fence=case((goes_on, _WORK.c.fence), else_=WORK_FENCES.next_value()),
            attempts=_WORK.c.attempts + case((goes_on, 0), else_=1),
            leased_by=bindparam("worker"),
            lease_message=bindparam("message"),
            leased_until=func.now() + bindparam("hold", type_=Interval),
        )
        .returning(*_WORK.c)
    )


def _with_types(statement: str, **types: Any) -> TextClause:
    return text(statement).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))


# Built once: what every message needs costs more to put together than PostgreSQL takes for it.
_WORK = cast("Table", Work.__table__)
_ITS = and_(_WORK.c.kind == bindparam("its_kind"), _WORK.c.target == bindparam("its_target"))
_MINE = and_(_ITS, _WORK.c.fence == bindparam("own_fence", type_=BigInteger))
_REQUEST = _request()
_BEGIN = _begin()
_END = delete(_WORK).where(_MINE, _WORK.c.again.is_(False)).returning(*_WORK.c)
_END_FOR_NOW = (
    update(_WORK)
    .where(_MINE, _WORK.c.again)
    .values(leased_until=None, lease_message=None, leased_by=None)
    .returning(*_WORK.c)
)
_NOTE_PUBLISHED = _with_types(
    "UPDATE work SET published_seq = stored.seq, published_at = now() "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:sequences AS bigint[])) AS stored (id, seq) "
    "WHERE work.command_id = stored.id",
    ids=ARRAY(Uuid),
    sequences=ARRAY(BigInteger),
)
_LOOK_LATER = _with_types(
    "UPDATE work SET check_at = now() + least(greatest(now() - sent_at, :least), :most) "
    "FROM unnest(CAST(:kinds AS text[]), CAST(:targets AS uuid[])) AS looked_at (kind, target) "
    "WHERE work.kind = looked_at.kind AND work.target = looked_at.target",
    targets=ARRAY(Uuid),
)
_DUE = text(
    "SELECT work.*, coalesce(leased_until > now(), false) AS in_hand, "
    "EXISTS (SELECT FROM outbox WHERE outbox.id = work.command_id) AS in_outbox "
    "FROM work WHERE check_at < now() ORDER BY check_at LIMIT :limit FOR UPDATE OF work SKIP LOCKED"
)
_RESEND = _with_types(
    "UPDATE work SET command_id = sent.id, sent_at = now(), published_seq = NULL, published_at = NULL, "
    "leased_by = NULL, lease_message = NULL, leased_until = NULL, check_at = now() + :patience "
    "FROM unnest(CAST(:kinds AS text[]), CAST(:targets AS uuid[]), CAST(:ids AS uuid[])) AS sent (kind, target, id) "
    "WHERE work.kind = sent.kind AND work.target = sent.target",
    targets=ARRAY(Uuid),
    ids=ARRAY(Uuid),
)
