"""Where dead letters are kept."""

from __future__ import annotations

from typing import Protocol

from heliograph_common.bus.dead_letters import StoredLetter


class DeadLetterStore(Protocol):
    """Dead letters; ``heliograph_common.bus.dead_letters.DeadLetters`` is the real one."""

    async def page(self, *, before: int | None, service: str | None, limit: int) -> list[StoredLetter]:
        """Letters older than the id ``before``, newest first."""

    async def get(self, sequence: int) -> StoredLetter | None:
        """One letter."""

    async def drop(self, sequence: int) -> bool:
        """Deletes one; whether it was there."""
