"""Rows of work in the order of their targets, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.messages import IMAGE_KINDS

_TARGETS = text("""
    SELECT kind, target FROM work WHERE (kind, target) > (:kind, :target) ORDER BY kind, target LIMIT :limit
""").bindparams(bindparam("target", type_=Uuid))
_WRONG = text("""
    SELECT work.kind, work.target, work.owner, check_at < now() - interval '1 hour' AS overdue,
           kind = ANY(:image_kinds) AND (images.id IS NULL OR deleted_at IS NOT NULL
                                         OR (kind = 'render' AND processing_status = 'failed')) AS superfluous
    FROM unnest(CAST(:kinds AS text[]), CAST(:targets AS uuid[])) AS looked_at (its_kind, its_target)
    JOIN work ON work.kind = its_kind AND work.target = its_target
    LEFT JOIN images ON images.id = work.target AND work.kind = ANY(:image_kinds)
    WHERE check_at < now() - interval '1 hour' OR (work.kind = ANY(:image_kinds)
      AND (images.id IS NULL OR deleted_at IS NOT NULL OR (kind = 'render' AND processing_status = 'failed')))
    ORDER BY work.kind, work.target
""").bindparams(bindparam("targets", type_=ARRAY(Uuid)), bindparam("image_kinds", type_=ARRAY(Text)))
_DROP = text("""
    DELETE FROM work WHERE kind = :kind AND target = :target AND kind = ANY(:image_kinds) AND NOT EXISTS (
        SELECT FROM images WHERE images.id = work.target AND deleted_at IS NULL
        AND NOT (work.kind = 'render' AND processing_status = 'failed'))
""").bindparams(bindparam("target", type_=Uuid), bindparam("image_kinds", type_=ARRAY(Text)))


async def targets(connection: AsyncConnection, kind: str, target: UUID, limit: int) -> Sequence[Row[Any]]:
    """The next rows of work: kind, target."""
    return (await connection.execute(_TARGETS, {"kind": kind, "target": target, "limit": limit})).all()


async def wrong(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """Those of ``rows`` that are overdue or superfluous: kind, target, owner, overdue, superfluous."""
    values = {
        "kinds": [row.kind for row in rows],
        "targets": [row.target for row in rows],
        "image_kinds": list(IMAGE_KINDS),
    }
    return (await connection.execute(_WRONG, values)).all()


async def drop_superfluous(connection: AsyncConnection, kind: str, target: UUID) -> bool:
    """Deletes a row of work whose image wants none; whether it was there and superfluous."""
    values = {"kind": kind, "target": target, "image_kinds": list(IMAGE_KINDS)}
    return (await connection.execute(_DROP, values)).rowcount == 1
