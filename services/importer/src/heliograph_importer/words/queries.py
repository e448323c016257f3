"""The statements of finding pictures: which words are sent, taken, put back and done.

A word is locked before its row in the queue, as its deletion does. A write names the fence of its attempt and says whether
the row was still that attempt's: it is not where the word was deleted, or given another text, meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Interval, Text, bindparam, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.word_messages import FindPicture
from heliograph_common.db.rows import Row
from heliograph_common.db.word_models import QueuedWord, Word, WordImage
from heliograph_common.db.words.queue import Lane


@dataclass(frozen=True)
class Taken:
    """A word, its row in the queue, and the picture that it has."""

    word: Row[Any]
    queued: Row[Any]
    picture: Row[Any] | None


async def under_way(connection: AsyncConnection) -> tuple[int, int]:
    """How many words are sent or being worked on, and how many of these are not charged yet."""
    return tuple((await connection.execute(_UNDER_WAY, {"kind": FindPicture.kind})).one())


async def send(
    connection: AsyncConnection, *, limit: int, asked_only: bool, now: datetime | None = None
) -> Sequence[Row[Any]]:
    """Marks the first words of the queue as sent; returns their keys and tasks. ``asked_only``: those that a client waits
    for."""
    values = {"limit": limit, "asked_only": asked_only, "now": now, "front": int(Lane.ASKED)}
    return (await connection.execute(_SEND, values)).all()


async def take_back(connection: AsyncConnection) -> int:
    """Queues again what was sent and has no work any more; returns how many."""
    return int((await connection.execute(_TAKE_BACK, {"kind": FindPicture.kind})).rowcount)


async def take(connection: AsyncConnection, key: UUID, *, now: datetime | None = None) -> Taken | None:
    """Locks a word that is in the queue and due; ``None``: it is not, or there is no such word any more."""
    word = (
        await connection.execute(select(Word.__table__).where(Word.key == key).with_for_update(key_share=True))
    ).one_or_none()
    if word is None:
        return None
    queued = (await connection.execute(_TAKE, {"key": key, "now": now})).one_or_none()
    if queued is None:
        return None
    picture = select(WordImage.__table__).where(WordImage.word_key == key)
    return Taken(word, queued, (await connection.execute(picture)).one_or_none())


async def begin(connection: AsyncConnection, key: UUID, fence: int) -> None:
    """Marks a word, locked by ``take``, as being worked on by the attempt ``fence``."""
    mine = update(QueuedWord).where(QueuedWord.word_key == key)
    await connection.execute(mine.values(status="active", fence=fence, not_before=None))


async def put_back(connection: AsyncConnection, key: UUID, *, until: datetime | None = None) -> None:
    """Queues a word again, locked by ``take``, as if it had not been sent. It waits by itself ``until``."""
    mine = update(QueuedWord).where(QueuedWord.word_key == key)
    await connection.execute(mine.values(status="queued", not_before=until))


async def hold(connection: AsyncConnection, key: UUID, fence: int) -> Row[Any] | None:
    """Locks a word and its row to the end of the transaction; ``None``: the attempt ``fence`` does not have it any more."""
    word = select(Word.key).where(Word.key == key).with_for_update(key_share=True)
    if (await connection.execute(word)).one_or_none() is None:
        return None
    mine = select(QueuedWord.__table__).where(QueuedWord.word_key == key, QueuedWord.fence == fence)
    return (await connection.execute(mine.with_for_update())).one_or_none()


async def go_on(connection: AsyncConnection, key: UUID, *, task: str, step: int = 0) -> None:
    """Has the next step taken soon, before words that have not begun."""
    mine = update(QueuedWord).where(QueuedWord.word_key == key)
    values = {"lane": int(Lane.UNDER_WAY), "task": task, "step": step, "status": "queued", "not_before": None}
    await connection.execute(mine.values(**values, photo_id=None, failures=0))


async def fail(
    connection: AsyncConnection, key: UUID, *, counts: bool, wait: timedelta, now: datetime | None = None
) -> None:
    """Has the same step taken again after ``wait``; whether the failure ``counts`` against the word."""
    at = func.now() if now is None else now
    mine = update(QueuedWord).where(QueuedWord.word_key == key)
    failures = QueuedWord.failures + (1 if counts else 0)
    await connection.execute(mine.values(status="queued", failures=failures, not_before=at + wait))


async def done(connection: AsyncConnection, key: UUID) -> None:
    """Takes a word out of the queue."""
    await connection.execute(delete(QueuedWord).where(QueuedWord.word_key == key))


async def refund(connection: AsyncConnection, budget: str, key: UUID) -> None:
    """Takes back the last charge for a word, whose request is known not to have been made."""
    await connection.execute(_REFUND, {"budget": budget, "key": key})


async def trials(
    connection: AsyncConnection, budget: str, queued: Row[Any], *, longer: timedelta, now: datetime | None = None
) -> int:
    """How often the present task of a word was requested since it was queued, where that began ``longer`` ago; else 0."""
    values = {"budget": budget, "key": queued.word_key, "task": queued.task, "since": queued.queued_at}
    return int((await connection.execute(_TRIALS, {**values, "longer": longer, "now": now})).scalar_one())


async def are_neglected(connection: AsyncConnection, budget: str, *, lately: timedelta, now: datetime | None) -> bool:
    """Whether words wait, none is being worked on, and nothing was requested ``lately``."""
    values = {"budget": budget, "lately": lately, "now": now}
    return bool((await connection.execute(_ARE_NEGLECTED, values)).scalar_one())


async def end_pause(connection: AsyncConnection, budget: str, reasons: Collection[str]) -> bool:
    """Ends a pause that was made for one of ``reasons``; whether there was one."""
    ended = await connection.execute(_END_PAUSE, {"budget": budget, "reasons": list(reasons)})
    return bool(ended.rowcount)


async def pictures(connection: AsyncConnection) -> int:
    """How many words have a picture."""
    return int((await connection.execute(select(func.count()).select_from(WordImage))).scalar_one())


_NOW = "coalesce(CAST(:now AS timestamptz), now())"
_TYPES = (bindparam("now", type_=DateTime(timezone=True)),)
_UNDER_WAY = text("""
    SELECT count(*) AS all, count(*) FILTER (WHERE word_queue.status = 'sent') AS uncharged
    FROM work LEFT JOIN word_queue ON word_queue.word_key = work.target WHERE work.kind = :kind
""")
_SEND = text(f"""
    WITH chosen AS (
        SELECT word_key FROM word_queue
        WHERE status = 'queued' AND (not_before IS NULL OR not_before <= {_NOW})
          AND (NOT :asked_only OR (lane <= :front AND asked_by IS NOT NULL))
        ORDER BY lane, ticket LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE word_queue SET status = 'sent', not_before = NULL FROM chosen
    WHERE word_queue.word_key = chosen.word_key RETURNING word_queue.word_key, word_queue.task
""").bindparams(*_TYPES, bindparam("limit", type_=Integer))  # noqa: S608 - no value is in the text
_TAKE = text(f"""
    SELECT * FROM word_queue WHERE word_key = :key AND (not_before IS NULL OR not_before <= {_NOW}) FOR UPDATE
""").bindparams(*_TYPES)  # noqa: S608 - no value is in the text
_TAKE_BACK = text("""
    WITH lost AS (
        SELECT word_key FROM word_queue WHERE status <> 'queued'
        AND NOT EXISTS (SELECT FROM work WHERE work.kind = :kind AND work.target = word_queue.word_key)
        ORDER BY word_key FOR UPDATE SKIP LOCKED
    )
    UPDATE word_queue SET status = 'queued' FROM lost WHERE word_queue.word_key = lost.word_key
""")
_REFUND = text("""
    DELETE FROM provider_requests WHERE id = (
        SELECT id FROM provider_requests WHERE budget = :budget AND word_key = :key ORDER BY at DESC LIMIT 1)
""")
_TRIALS = text(f"""
    SELECT CASE WHEN min(at) <= {_NOW} - :longer THEN count(*) ELSE 0 END FROM provider_requests
    WHERE budget = :budget AND word_key = :key AND task = :task AND at >= :since
""").bindparams(*_TYPES, bindparam("longer", type_=Interval))  # noqa: S608 - no value is in the text
_ARE_NEGLECTED = text(f"""
    SELECT EXISTS (SELECT FROM word_queue)
       AND NOT EXISTS (SELECT FROM word_queue WHERE status <> 'queued')
       AND NOT EXISTS (SELECT FROM provider_requests WHERE budget = :budget AND at > {_NOW} - :lately)
""").bindparams(*_TYPES, bindparam("lately", type_=Interval))  # noqa: S608 - no value is in the text
_END_PAUSE = text("""
    UPDATE provider_states SET paused_until = now(), failures = 0, changed_at = now()
    WHERE budget = :budget AND reason = ANY (:reasons) AND (paused_until > now() OR failures > 0)
""").bindparams(bindparam("reasons", type_=ARRAY(Text)))
