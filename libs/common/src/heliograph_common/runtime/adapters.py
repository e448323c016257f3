"""Things that need no start but must be closed, as components."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Closing:
    """Calls ``close`` when the service stops. Put it before whatever uses it, so that it is closed after that."""

    def __init__(self, name: str, close: Callable[[], Awaitable[object]]) -> None:
        self.name = name
        self._close = close

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self, deadline_seconds: float) -> None:
        """Closes it."""
        await self._close()
