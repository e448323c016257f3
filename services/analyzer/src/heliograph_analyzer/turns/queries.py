"""The dispatcher's statements: owners who have something to send, what they send, and what is stuck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ARRAY, Integer, Row, Text, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db import analyses
from heliograph_common.db.analysis_models import Analysis
from heliograph_common.db.statements import lock_image


async def owners(connection: AsyncConnection, *, after: str, window: int, limit: int) -> Sequence[Row[Any]]:
    """Owners, after ``after``, who have something to send or under way: ``under_way``, without what is urgent and takes no
    turn, and ``waiting``, counted up to ``window``, and 0 while their budget is spent."""
    values = {"after": after, "window": window, "limit": limit, "budget": f"{analyses.BUDGET}:"}
    return (await connection.execute(_OWNERS, values)).all()


async def send(connection: AsyncConnection, granted: Mapping[str, int]) -> Sequence[Row[Any]]:
    """Marks up to so many analyses of each owner as sent, what is urgent and what is older first; returns them."""
    if not granted:
        return []
    values = {"owners": list(granted), "limits": list(granted.values())}
    return (await connection.execute(_SEND, values)).all()


async def take_back(connection: AsyncConnection, *, limit: int) -> int:
    """Queues analyses again that were sent and have no work: rows of work were lost. Returns how many."""
    return (await connection.execute(_TAKE_BACK, {"limit": limit})).rowcount


async def unshown(connection: AsyncConnection, *, limit: int) -> Sequence[Row[Any]]:
    """Images whose analyses have waited for a rendition for some minutes although nobody is making it."""
    return (await connection.execute(_UNSHOWN, {"limit": limit})).all()


async def expired(connection: AsyncConnection, *, longest: timedelta, limit: int) -> Sequence[Row[Any]]:
    """Analyses that nobody began within ``longest``."""
    old = Analysis.requested_at < func.now() - longest
    statement = select(Analysis.__table__).where(Analysis.status == "queued", old).limit(limit)
    return (await connection.execute(statement)).all()


async def oldest_age(connection: AsyncConnection) -> float:
    """Seconds since the oldest analysis that is queued was requested; 0 if there is none."""
    requested = select(func.min(Analysis.requested_at)).where(Analysis.status == "queued").scalar_subquery()
    age = func.coalesce(func.greatest(func.extract("epoch", func.now() - requested), 0), 0)
    return float((await connection.execute(select(age))).scalar_one())


async def fail(connection: AsyncConnection, row: Row[Any], *, code: str, reason: str) -> Row[Any] | None:
    """Marks an analysis that nobody has begun as failed; returns its image. ``None``: it was begun meanwhile, or is over, or
    its image is deleted."""
    if await lock_image(connection, row.image_id) is None:
        return None
    failed = update(Analysis).where(Analysis.id == row.id, Analysis.status == "queued")
    failed = failed.values(status="failed", error_code=code, error=reason, completed_at=func.now(), sent_at=None)
    if not (await connection.execute(failed)).rowcount:
        return None
    return await analyses.summarize(connection, row.image_id)


# Owners one by one through the index, however many analyses each has.
_OWNERS = text("""
    WITH RECURSIVE ready AS (
        (SELECT owner, 1 AS number FROM analyses
         WHERE status = 'queued' AND ready_at IS NOT NULL AND sent_at IS NULL AND owner > :after
         ORDER BY owner LIMIT 1)
        UNION ALL
        SELECT following.owner, number + 1 FROM ready CROSS JOIN LATERAL (
            SELECT owner FROM analyses
            WHERE status = 'queued' AND ready_at IS NOT NULL AND sent_at IS NULL AND owner > ready.owner
            ORDER BY owner LIMIT 1
        ) AS following WHERE number < :limit
    ), under_way AS (
        SELECT owner, count(*)::integer AS number FROM analyses
        WHERE status IN ('queued', 'running') AND sent_at IS NOT NULL AND NOT urgent GROUP BY owner
    )
    SELECT coalesce(ready.owner, under_way.owner) AS owner, coalesce(under_way.number, 0) AS under_way,
        CASE WHEN ready.owner IS NULL OR state.paused_until > now() THEN 0 ELSE (SELECT count(*) FROM (
            SELECT FROM analyses
            WHERE analyses.owner = ready.owner AND status = 'queued' AND ready_at IS NOT NULL AND sent_at IS NULL
              AND (not_before IS NULL OR not_before <= now()) LIMIT :window) AS due) END::integer AS waiting
    FROM ready FULL JOIN under_way ON under_way.owner = ready.owner
    LEFT JOIN provider_states AS state ON state.budget = :budget || ready.owner
    ORDER BY ready.owner NULLS FIRST
""").bindparams(bindparam("after", type_=Text), bindparam("budget", type_=Text))
_SEND = text("""
    WITH chosen AS (
        SELECT mine.id FROM unnest(CAST(:owners AS text[]), CAST(:limits AS integer[])) AS granted (owner, number)
        CROSS JOIN LATERAL (
            SELECT id FROM analyses
            WHERE owner = granted.owner AND status = 'queued' AND ready_at IS NOT NULL AND sent_at IS NULL
              AND (not_before IS NULL OR not_before <= now())
            ORDER BY urgent DESC, id LIMIT granted.number FOR UPDATE SKIP LOCKED
        ) AS mine
    )
    UPDATE analyses SET sent_at = now(), not_before = NULL, waiting_reason = NULL
    FROM chosen WHERE analyses.id = chosen.id RETURNING analyses.*
""").bindparams(bindparam("owners", type_=ARRAY(Text)), bindparam("limits", type_=ARRAY(Integer)))
_TAKE_BACK = text("""
    UPDATE analyses SET status = 'queued', sent_at = NULL FROM (
        SELECT id FROM analyses
        WHERE status IN ('queued', 'running') AND sent_at < now() - interval '1 minute'
          AND NOT EXISTS (SELECT FROM work WHERE kind = 'analyze' AND target IN (analyses.id, analyses.image_id))
        LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS lost WHERE analyses.id = lost.id
""")
_UNSHOWN = text("""
    SELECT analyses.image_id FROM analyses JOIN images ON images.id = analyses.image_id
    WHERE analyses.status = 'queued' AND ready_at IS NULL AND requested_at < now() - interval '5 minutes'
      AND deleted_at IS NULL AND NOT EXISTS (SELECT FROM work WHERE kind = 'render' AND target = analyses.image_id)
    ORDER BY requested_at LIMIT :limit
""")
