"""Who may name and who may retire the keys of one content: locks in PostgreSQL, held to the end of a transaction.

Whoever writes a row that names such a key (``ingest.accept``, a renderer) shares the lock, and then looks whether the key
may still be used; ``ingest.collect`` has it alone while it looks for such rows and retires keys. Take it before any row of
an image is locked. Two contents may fall on one lock; then one waits for nothing.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SPACE = 0x424C4F42  # "BLOB"
_SHARE = text("SELECT pg_advisory_xact_lock_shared(:space, hashtext(:sha256))")
_OWN = text("SELECT pg_advisory_xact_lock(:space, hashtext(:sha256))")


async def share(connection: AsyncConnection, sha256: str) -> None:
    """Keeps the keys from being retired. Look at them in a statement after this one: a statement sees what was committed
    before it began, not what was while it waited for the lock."""
    await connection.execute(_SHARE, {"space": _SPACE, "sha256": sha256})


async def own(connection: AsyncConnection, sha256: str) -> None:
    """Keeps rows that name the keys from being written."""
    await connection.execute(_OWN, {"space": _SPACE, "sha256": sha256})
