"""The statements of the cache. One analysis at a time asks about a key; whoever comes meanwhile comes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import cast

from heliograph_analyzer.models.port import Answer
from heliograph_common.db.analysis_models import AnalysisResult


@dataclass(frozen=True)
class Key:
    """What an answer is about: the pixels, what was asked in which version, and who looked how closely."""

    pixel_hash: str
    profile: str
    profile_version: int
    model: str
    detail: str


@dataclass(frozen=True)
class Known:
    """There is an answer: a ``result``, or the reason why there is none."""

    result: dict[str, Any] | None
    code: str | None
    reason: str | None


@dataclass(frozen=True)
class Asked:
    """Another analysis asks just now, and has ``left`` to do so."""

    left: timedelta


@dataclass(frozen=True)
class Mine:
    """The analysis may ask; ``answers`` are those that were given so far."""

    answers: Sequence[Answer]


async def take(
    connection: AsyncConnection, key: Key, holder: UUID, *, lease: timedelta, requested_at: datetime
) -> Known | Asked | Mine:
    """The answer, or the right to ask for it until ``lease`` is over. A failure from before ``requested_at`` is none: it was
    asked for again."""
    await connection.execute(insert(AnalysisResult).values(asdict(key)).on_conflict_do_nothing())
    row = (await connection.execute(_FIND.where(_its(key)).with_for_update())).one()
    if row.result is not None:
        return Known(row.result, None, None)
    if row.error_code is not None and row.answered_at >= requested_at:
        return Known(None, row.error_code, row.error)
    if row.taken and row.holder != holder:
        return Asked(row.left)
    answers = row.answers if row.error_code is None else []
    values = {"holder": holder, "leased_until": func.now() + lease, "answers": answers}
    cleared = {"error_code": None, "error": None, "answered_at": None}
    await connection.execute(update(AnalysisResult).where(_its(key)).values(**values, **cleared))
    return Mine([Answer.from_json(answer) for answer in answers])


async def asked_by_another(connection: AsyncConnection, key: Key, holder: UUID) -> Asked | None:
    """Whether another analysis than ``holder`` asks just now; ``take`` has the last word."""
    open_ = (AnalysisResult.result.is_(None), AnalysisResult.error_code.is_(None), AnalysisResult.holder != holder)
    row = (await connection.execute(_FIND.where(_its(key), *open_))).one_or_none()
    return Asked(row.left) if row is not None and row.taken else None


async def add_answer(connection: AsyncConnection, key: Key, answer: Answer) -> None:
    """Keeps an answer, which is paid for."""
    added = AnalysisResult.answers.op("||")(cast([answer.to_json()], JSONB))
    kept = update(AnalysisResult).where(_its(key), AnalysisResult.result.is_(None))
    await connection.execute(kept.values(answers=added))


async def conclude(
    connection: AsyncConnection,
    key: Key,
    holder: UUID,
    *,
    result: dict[str, Any] | None,
    code: str | None,
    reason: str | None,
) -> None:
    """Keeps what came of the answers, for all."""
    mine = update(AnalysisResult).where(_its(key), AnalysisResult.holder == holder, AnalysisResult.result.is_(None))
    ended = {"result": result, "error_code": code, "error": reason, "answered_at": func.now()}
    await connection.execute(mine.values(**ended, holder=None, leased_until=None))


async def let_go(connection: AsyncConnection, key: Key, holder: UUID) -> None:
    """Lets others ask."""
    mine = update(AnalysisResult).where(_its(key), AnalysisResult.holder == holder)
    await connection.execute(mine.values(holder=None, leased_until=None))


def _its(key: Key) -> ColumnElement[bool]:
    return and_(*(getattr(AnalysisResult, name) == value for name, value in asdict(key).items()))


_FIND = select(
    AnalysisResult.__table__,
    func.coalesce(AnalysisResult.leased_until > func.now(), False).label("taken"),
    (AnalysisResult.leased_until - func.now()).label("left"),
)
