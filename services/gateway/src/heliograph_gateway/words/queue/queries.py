"""What is counted of words and of their queue."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection


async def counts(connection: AsyncConnection) -> Row[Any]:
    """``words``, those ``with_picture``, those ``missed`` lately; ``populated_at``, and PostgreSQL's ``now``."""
    return (await connection.execute(_COUNTS)).one()


_COUNTS = text("""
    SELECT (SELECT count(*) FROM words) AS words, (SELECT count(*) FROM word_images) AS with_picture,
        (SELECT count(*) FROM words WHERE search_again_at > now()) AS missed,
        (SELECT populated_at FROM word_schedule) AS populated_at, now() AS now
""")
