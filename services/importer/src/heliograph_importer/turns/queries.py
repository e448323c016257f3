"""The dispatcher's statements: imports that have something to send, and what they send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Row, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_TYPES = (bindparam("ids", type_=ARRAY(Uuid)), bindparam("limits", type_=ARRAY(Integer)))


async def active(connection: AsyncConnection, *, window: int, limit: int) -> Sequence[Row[Any]]:
    """Imports that have something under way or to send, oldest first: ``under_way`` and ``waiting`` files, the latter
    counted up to ``window`` and 0 while the budget is ``paused``; ``failing`` when the last requests of it failed."""
    return (await connection.execute(_ACTIVE, {"window": window, "limit": limit})).all()


async def send_pages(connection: AsyncConnection, wanted: Mapping[UUID, int]) -> Sequence[Row[Any]]:
    """Marks up to so many queued pages of each import as sent; returns their ids and imports."""
    return await _send(connection, _SEND_PAGES, wanted)


async def send_files(connection: AsyncConnection, wanted: Mapping[UUID, int]) -> Sequence[Row[Any]]:
    """Marks up to so many queued files of each import as sent, those found first first; returns their ids and imports."""
    return await _send(connection, _SEND_FILES, wanted)


async def take_back(connection: AsyncConnection) -> int:
    """Queues pages and files again that were sent, and for which there is no work: rows of work were lost. Returns how
    many."""
    return sum([(await connection.execute(statement)).rowcount for statement in _TAKE_BACK])


async def _send(connection: AsyncConnection, statement: Any, wanted: Mapping[UUID, int]) -> Sequence[Row[Any]]:
    if not wanted:
        return []
    values = {"ids": list(wanted), "limits": list(wanted.values())}
    return (await connection.execute(statement, values)).all()


_ACTIVE = text("""
    SELECT imports.id, imports.owner, imports.source, imports.budget,
           coalesce(state.paused_until > now(), false) AS paused, coalesce(state.failures > 0, false) AS failing,
           (SELECT count(*) FROM import_files AS file
            WHERE file.import_id = imports.id AND file.status IN ('sent', 'fetching'))::integer AS under_way,
           (SELECT count(*) FROM import_pages AS page
            WHERE page.import_id = imports.id AND page.status = 'sent')::integer AS pages_sent,
           CASE WHEN state.paused_until > now() THEN 0 ELSE (SELECT count(*) FROM (
               SELECT FROM import_files AS file
               WHERE file.import_id = imports.id AND file.status = 'queued'
                 AND (file.not_before IS NULL OR file.not_before <= now())
               LIMIT :window) AS due) END::integer AS waiting
    FROM imports LEFT JOIN provider_states AS state ON state.budget = imports.budget
    WHERE imports.status IN ('queued', 'running') AND (
        EXISTS (SELECT FROM import_pages AS page WHERE page.import_id = imports.id AND (page.status = 'sent'
                OR page.status = 'queued' AND (page.not_before IS NULL OR page.not_before <= now())))
        OR EXISTS (SELECT FROM import_files AS file WHERE file.import_id = imports.id AND file.status IN ('sent',
        'fetching')) OR EXISTS (SELECT FROM import_files AS file WHERE file.import_id = imports.id AND file.status = 'queued'
                   AND (file.not_before IS NULL OR file.not_before <= now())))
    ORDER BY imports.id LIMIT :limit
""")
_TAKE_BACK = (
    text("""
        UPDATE import_pages SET status = 'queued' WHERE status = 'sent' AND import_id IN (
            SELECT id FROM imports WHERE status IN ('queued', 'running'))
        AND NOT EXISTS (SELECT FROM work WHERE kind = 'list' AND target = import_pages.id)
    """),
    text("""
        UPDATE import_files SET status = 'queued' WHERE status IN ('sent', 'fetching')
        AND NOT EXISTS (SELECT FROM work WHERE kind = 'fetch' AND target = import_files.id)
    """),
)
_SEND_PAGES = text("""
    WITH chosen AS (
        SELECT page.id FROM unnest(CAST(:ids AS uuid[]), CAST(:limits AS integer[])) AS wanted (import_id, count)
        CROSS JOIN LATERAL (
            SELECT id FROM import_pages
            WHERE import_id = wanted.import_id AND status = 'queued' AND (not_before IS NULL OR not_before <= now())
            ORDER BY created_at LIMIT wanted.count FOR UPDATE SKIP LOCKED
        ) AS page
    )
    UPDATE import_pages SET status = 'sent', not_before = NULL FROM chosen WHERE import_pages.id = chosen.id
    RETURNING import_pages.id, import_pages.import_id
""").bindparams(*_TYPES)
_SEND_FILES = text("""
    WITH chosen AS (
        SELECT file.id FROM unnest(CAST(:ids AS uuid[]), CAST(:limits AS integer[])) AS wanted (import_id, count)
        CROSS JOIN LATERAL (
            SELECT id FROM import_files
            WHERE import_id = wanted.import_id AND status = 'queued' AND (not_before IS NULL OR not_before <= now())
            ORDER BY position LIMIT wanted.count FOR UPDATE SKIP LOCKED
        ) AS file
    )
    UPDATE import_files SET status = 'sent', not_before = NULL FROM chosen WHERE import_files.id = chosen.id
    RETURNING import_files.id, import_files.import_id
""").bindparams(*_TYPES)
