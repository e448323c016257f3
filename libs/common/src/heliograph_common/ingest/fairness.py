"""Which priority a picture is queued at: what was asked for, or ``low`` once more of its owner's pictures wait than others
should have to wait for. ``accept`` and retries ask it, in the transaction that queues the picture.

The count is bounded, so it costs the same whatever the backlog. Pictures at ``low`` wait too and count; those that are
being rendered do not. Transactions of one owner at the same moment do not see each other, so a few more than the limit may
get through.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.statements import waiting


@dataclass(frozen=True)
class Granted:
    """The priority to queue at; ``requested`` is what was asked for, ``None`` where that was granted."""

    priority: Priority
    requested: Priority | None = None

    def columns(self) -> dict[str, str | None]:
        """The image's columns that say so."""
        return {"priority": self.priority.value, "requested_priority": self.requested and self.requested.value}


async def grant(connection: AsyncConnection, owner: str, requested: Priority, *, before_low: int) -> Granted:
    """What the owner's next picture gets. ``before_low``: how many of them may wait before it is ``low``."""
    if requested is Priority.LOW or await waiting(connection, owner, up_to=before_low + 1) <= before_low:
        return Granted(requested)
    return Granted(Priority.LOW, requested=requested)
