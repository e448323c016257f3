"""How many requests a provider of pictures gets in an hour, over the whole installation.

Each request is a row, written by the transaction that begins the attempt: none is made without its row, whatever dies
when. A request may be made when fewer than the quota were made in the 3,600 seconds before it; one that no client waits for
also only when fewer than two were made in four fifths of the time in which two are due, so that they are spread over most
of the hour, and what an outage left unspent is still spent in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import DateTime, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db import locks
from heliograph_common.db.locks import Lock
from heliograph_common.ids import new_id

HOUR = timedelta(hours=1)
_AT_ONCE = 2
_SPREAD = 0.8
_KEPT = timedelta(days=2)


@dataclass(frozen=True)
class Spending:
    """What was requested lately: ``used`` in the hour before ``now``. ``quota_ago`` and ``two_ago``: when the quota-th
    newest request of that hour, and the second newest of all, were made."""

    now: datetime
    quota: int
    used: int
    quota_ago: datetime | None
    two_ago: datetime | None

    def next_at(self, *, asked: bool) -> datetime:
        """When the next request may be made. ``asked``: a client waits for it."""
        times = [self.now]
        if self.quota_ago is not None:
            times.append(self.quota_ago + HOUR)
        if self.two_ago is not None and not asked:
            times.append(self.two_ago + _SPREAD * _AT_ONCE * HOUR / self.quota)
        return max(times)

    def due_at(self, place: int, *, requests_each: int = 2) -> datetime:
        """An estimate of when the word in a place of the queue has its turn, each before it needing so many requests."""
        before = (place - 1) * requests_each
        return self.next_at(asked=True) + before * HOUR / self.quota


async def spending(connection: AsyncConnection, budget: str, quota: int, *, now: datetime | None = None) -> Spending:
    """What was requested lately of a budget."""
    row = (await connection.execute(_SPENDING, {"budget": budget, "now": now, "quota": quota})).one()
    return Spending(row.now, quota, row.used, row.quota_ago, row.two_ago)


async def charge(
    connection: AsyncConnection,
    budget: str,
    quota: int,
    *,
    asked: bool,
    word_key: UUID,
    task: str,
    now: datetime | None = None,
) -> datetime | None:
    """Charges one request to a budget, or tells when that will be possible. Others wait until the transaction ends, so that
    nobody counts what is not there yet."""
    await locks.hold(connection, Lock.WORD_BUDGET)
    found = await spending(connection, budget, quota, now=now)
    if (next_at := found.next_at(asked=asked)) > found.now:
        return next_at
    values = {"id": new_id(), "budget": budget, "at": found.now, "word_key": word_key, "task": task}
    await connection.execute(_CHARGE, values)
    return None


async def forget(connection: AsyncConnection) -> int:
    """Deletes what no hour needs any more; returns how many."""
    return int((await connection.execute(_FORGET, {"kept": _KEPT})).rowcount)


# The clock is read by the statement after the lock: now() would be the time at which the transaction began to wait.
_SPENDING = text("""
    WITH clock AS MATERIALIZED (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now)
    SELECT clock.now,
        (SELECT count(*) FROM provider_requests WHERE budget = :budget AND at > clock.now - interval '1 hour') AS used,
        (SELECT at FROM provider_requests WHERE budget = :budget AND at > clock.now - interval '1 hour'
         ORDER BY at DESC OFFSET :quota - 1 LIMIT 1) AS quota_ago,
        (SELECT at FROM provider_requests WHERE budget = :budget ORDER BY at DESC OFFSET 1 LIMIT 1) AS two_ago
    FROM clock
""").bindparams(bindparam("now", type_=DateTime(timezone=True)), bindparam("quota", type_=Integer))
_CHARGE = text(
    "INSERT INTO provider_requests (id, budget, at, word_key, task) VALUES (:id, :budget, :at, :word_key, :task)"
)
_FORGET = text("DELETE FROM provider_requests WHERE at < now() - :kept")
