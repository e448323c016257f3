"""Who may use and who may delete the blobs of one content: locks in PostgreSQL, held to the end of a transaction.

``ingest.accept`` shares the lock while it writes a row that names them; ``ingest.collect`` has it alone while it looks
for such rows and deletes. Two contents may fall on one lock; then one waits for nothing.
"""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.models import BlobTombstone

_SPACE = 0x424C4F42  # "BLOB"
_SHARE = text("SELECT pg_advisory_xact_lock_shared(:space, hashtext(:sha256))")
_OWN = text("SELECT pg_advisory_xact_lock(:space, hashtext(:sha256))")


async def share(connection: AsyncConnection, sha256: str) -> bool:
    """Keeps the blobs from being deleted; whether they may have been lately."""
    await connection.execute(_SHARE, {"space": _SPACE, "sha256": sha256})
    # A statement of its own: one sees what was committed before it began, not what was while it waited for the lock.
    tombstone = select(BlobTombstone.sha256).where(BlobTombstone.sha256 == sha256)
    return (await connection.execute(tombstone)).first() is not None


async def own(connection: AsyncConnection, sha256: str) -> None:
    """Keeps rows that name the blobs from being written."""
    await connection.execute(_OWN, {"space": _SPACE, "sha256": sha256})
