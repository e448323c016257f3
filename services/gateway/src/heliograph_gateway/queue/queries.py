"""What PostgreSQL knows of the queue: what was finished, and what waits for another attempt."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.image_models import Image


async def finished_since(connection: AsyncConnection, since: timedelta, owner: str | None) -> tuple[int, int]:
    """How many images became complete, and how many failed, within ``since`` from now; of all owners when ``None``."""
    start = func.now() - since
    # Each has an index of its own, so both are counted by themselves.
    complete = _live(owner).where(Image.processing_status == "complete", Image.processing_completed_at > start)
    failed = _live(owner).where(Image.processing_status == "failed", Image.updated_at > start)
    counts = (await connection.execute(select(complete.scalar_subquery(), failed.scalar_subquery()))).one()
    return int(counts[0]), int(counts[1])


def _live(owner: str | None) -> Select[int]:
    statement = select(func.count()).select_from(Image).where(Image.deleted_at.is_(None))
    return statement if owner is None else statement.where(Image.owner == owner)


async def delayed_by_priority(connection: AsyncConnection) -> dict[str, int]:
    """Images of all owners whose last attempt failed and whose next has not begun, by priority. An attempt after the
    first counts too once it has its thumbnails: the row does not tell that apart."""
    statement = (
        select(Image.priority, func.count())
        .where(
            Image.deleted_at.is_(None),
            Image.processing_status.in_(("pending", "processing")),
            Image.processing_attempts > 0,
            Image.updated_at > Image.last_processing_attempt,
        )
        .group_by(Image.priority)
    )
    return {row[0]: row[1] for row in (await connection.execute(statement)).all()}
