"""The statements of budgets, the ledger of calls, and the usage of a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Date, Text, bindparam, delete, func, inspect, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_analyzer.models.port import Usage
from heliograph_analyzer.spending.budgets import INSTALLATION, Limits, exceeded
from heliograph_common.db.analysis_models import Analysis, AnalysisCall, AnalysisResult, AnalysisUsage
from heliograph_common.errors import Stale
from heliograph_common.ids import new_id


@dataclass(frozen=True)
class Call:
    """A call to a model that was charged to the budgets of ``day``: at most ``charged`` tokens."""

    id: UUID
    day: date
    analysis_id: UUID
    owner: str
    profile: str
    model: str
    charged: int


@dataclass(frozen=True)
class Spent:
    """A budget does not have enough left. ``scope``: the owner, or the installation; ``resets``: how long until it has."""

    scope: str
    resets: timedelta


async def begin(
    connection: AsyncConnection, analysis: Any, *, model: str, pixel_hash: str, tokens: int, limits: Limits
) -> Call | Spent:
    """Charges the budgets with the most that a call may use and writes it down, or tells which budget is spent.

    Raises:
        Stale: a newer attempt than that of ``analysis`` has it, and asks itself.
    """
    now = (await connection.execute(_DAY)).one()
    scopes = {"day": now.day, "scopes": [INSTALLATION, analysis.owner]}
    await connection.execute(_OPEN, scopes)
    charged = {row.scope: row.tokens for row in await connection.execute(_CHARGED, scopes)}
    if not (await connection.execute(_MINE, {"analysis_id": analysis.id, "own_fence": analysis.fence})).all():
        raise Stale(f"analysis {analysis.id} is past fence {analysis.fence}")
    scope = exceeded(charged, tokens, limits)
    if scope is not None:
        return Spent(scope, now.left)
    await connection.execute(_CHARGE, scopes | {"tokens": tokens})
    call = Call(new_id(), now.day, analysis.id, analysis.owner, analysis.profile, model, tokens)
    values = {"id": call.id, "analysis_id": call.analysis_id, "owner": call.owner, "profile": call.profile}
    await connection.execute(insert(AnalysisCall).values(**values, model=model, pixel_hash=pixel_hash, charged=tokens))
    return call


async def answered(connection: AsyncConnection, call: Call, usage: Usage, cost: int | None) -> bool:
    """Writes down what a call used and cost (millionths of a US dollar; ``None``: unknown), for itself, its analysis and
    the day; ``False``: it was written already. Servers that do not count tokens leave the budget charged."""
    used = usage.input_tokens + usage.output_tokens
    if not await _end(connection, call, "answered", used or call.charged, usage, cost):
        return False
    tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    # The analysis before the usage, as those do that conclude it.
    its = update(Analysis).where(Analysis.id == call.analysis_id)
    sums = {name: getattr(Analysis, name) + value for name, value in tokens.items()}
    await connection.execute(its.values(calls=Analysis.calls + 1, cost_micros=Analysis.cost_micros + cost, **sums))
    statement = insert(AnalysisUsage).values(
        day=call.day, owner=call.owner, profile=call.profile, model=call.model, calls=1, cost_micros=cost or 0,
        unpriced=int(cost is None), **tokens,
    )  # fmt: skip
    counted = ("calls", "unpriced", "cost_micros", *tokens)
    await connection.execute(_added(statement, counted))
    return True


async def failed(connection: AsyncConnection, call: Call, *, paid: bool) -> None:
    """Writes down that a call was not answered; unless it may have been ``paid``, the budgets get its tokens back."""
    outcome = "unknown" if paid else "failed"
    await _end(connection, call, outcome, call.charged if paid else 0, Usage(input_tokens=0, output_tokens=0), None)


async def note_hit(connection: AsyncConnection, analysis: Any, model: str) -> None:
    """Counts an analysis that needed no call."""
    now = (await connection.execute(_DAY)).one()
    key = {"day": now.day, "owner": analysis.owner, "profile": analysis.profile, "model": model}
    await connection.execute(_added(insert(AnalysisUsage).values(**key, cache_hits=1), ("cache_hits",)))


async def forget(connection: AsyncConnection, *, keep: timedelta, limit: int) -> int:
    """Deletes calls of the ledger, and answers, that are older than ``keep``."""
    before = func.now() - keep
    calls = select(AnalysisCall.id).where(AnalysisCall.began_at < before).limit(limit)
    gone = (await connection.execute(delete(AnalysisCall).where(AnalysisCall.id.in_(calls)))).rowcount
    key = inspect(AnalysisResult).primary_key
    old = select(*key).where(AnalysisResult.answered_at < before).limit(limit)
    return gone + (await connection.execute(delete(AnalysisResult).where(tuple_(*key).in_(old)))).rowcount


async def _end(
    connection: AsyncConnection, call: Call, outcome: str, charged: int, usage: Usage, cost: int | None
) -> bool:
    ended = update(AnalysisCall).where(AnalysisCall.id == call.id, AnalysisCall.outcome.is_(None))
    ended = ended.values(
        outcome=outcome, ended_at=func.now(), charged=charged, cost_micros=cost,
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens,
    )  # fmt: skip
    if not (await connection.execute(ended)).rowcount:
        return False
    scopes = {"day": call.day, "scopes": [INSTALLATION, call.owner]}
    await connection.execute(_CHARGE, scopes | {"tokens": charged - call.charged})
    return True


def _added(statement: Any, names: tuple[str, ...]) -> Any:
    sums = {name: getattr(AnalysisUsage, name) + statement.excluded[name] for name in names}
    return statement.on_conflict_do_update(index_elements=["day", "owner", "profile", "model"], set_=sums)


_TYPES = (bindparam("day", type_=Date), bindparam("scopes", type_=ARRAY(Text)))
_DAY = text("""
    SELECT today AS day, (today + 1)::timestamp AT TIME ZONE 'UTC' - now() AS left
    FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS utc
""")
_OPEN = text("""
    INSERT INTO analysis_budgets (day, scope) SELECT :day, unnest(:scopes) ON CONFLICT DO NOTHING
""").bindparams(*_TYPES)
# Locked in one order by all, until the transaction ends: no two find room for what only one has.
_CHARGED = text("""
    SELECT scope, tokens FROM analysis_budgets WHERE day = :day AND scope = ANY(:scopes) ORDER BY scope FOR UPDATE
""").bindparams(*_TYPES)
# After the budgets, as where an answer is written. Until the call is written down, nobody takes the analysis over.
_MINE = text("""
    SELECT id FROM analyses WHERE id = :analysis_id AND fence = :own_fence AND status = 'running' FOR SHARE
""")
_CHARGE = text("""
    UPDATE analysis_budgets SET tokens = tokens + :tokens FROM (
        SELECT day, scope FROM analysis_budgets WHERE day = :day AND scope = ANY(:scopes) ORDER BY scope FOR UPDATE
    ) AS held WHERE analysis_budgets.day = held.day AND analysis_budgets.scope = held.scope
""").bindparams(*_TYPES, bindparam("tokens", type_=BigInteger))
