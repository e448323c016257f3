"""Rows of ``provider_states``: until when the requests of a budget are paused, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Interval, bindparam, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.import_models import ProviderState

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
_KEPT = timedelta(days=1)


@dataclass(frozen=True)
class State:
    """How a provider takes the requests of a budget: ``paused``, until when and why, and whether the last ones failed."""

    paused: bool = False
    paused_until: datetime | None = None
    failing: bool = False
    reason: str = ""


async def state_of(connection: AsyncConnection, budget: str) -> State:
    """The state of a budget."""
    statement = select(
        (ProviderState.paused_until > func.now()).label("paused"),
        ProviderState.paused_until,
        (ProviderState.failures > 0).label("failing"),
        ProviderState.reason,
    ).where(ProviderState.budget == budget)
    row = (await connection.execute(statement)).one_or_none()
    return State() if row is None else State(*row)


async def pause(connection: AsyncConnection, budget: str, *, reason: str, seconds: float | None) -> timedelta:
    """Pauses a budget for twice as long with each pause in a row, but for ``seconds`` at least: a provider that always says
    0 is not asked without end. Never for less than it is paused already. Returns how long it is paused from now."""
    given = None if seconds is None else timedelta(seconds=seconds)
    values = {"budget": budget, "reason": reason, "given": given, "first": FIRST_PAUSE, "longest": LONGEST_PAUSE}
    paused: timedelta = (await connection.execute(_PAUSE, values)).scalar_one()
    return paused


async def resume(connection: AsyncConnection, budget: str) -> None:
    """Notes that the provider takes requests again."""
    over = update(ProviderState).where(ProviderState.budget == budget, ProviderState.paused_until <= func.now())
    await connection.execute(over.values(failures=0, changed_at=func.now()))


async def forget(connection: AsyncConnection) -> int:
    """Deletes states that tell nothing any more; returns how many."""
    old = ProviderState.paused_until < func.now() - _KEPT
    return (await connection.execute(delete(ProviderState).where(old))).rowcount


# Many requests fail of one outage: only the first of them makes the pause longer, those during a pause change nothing.
_PAUSE = text("""
    INSERT INTO provider_states AS state (budget, paused_until, reason, failures)
    VALUES (:budget, now() + greatest(:given, :first), :reason, 1)
    ON CONFLICT (budget) DO UPDATE SET
        failures = state.failures + CASE WHEN state.paused_until <= now() THEN 1 ELSE 0 END,
        paused_until = CASE
            WHEN state.paused_until > now() THEN greatest(state.paused_until, now() + :given)
            ELSE now() + greatest(:given, least(:first * power(2, least(state.failures, 10)), :longest)) END,
        reason = excluded.reason,
        changed_at = now()
    RETURNING paused_until - now()
""").bindparams(*(bindparam(name, type_=Interval) for name in ("given", "first", "longest")))
