"""Admits jobs by their predicted memory, first come first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heliograph_common.errors import ImageTooLarge


class MemoryBudget:
    """``total`` bytes shared by all jobs in hand."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def check(self, size: int) -> None:
        """``ImageTooLarge`` where ``size`` bytes can never be had."""
        if size > self.total:
            raise ImageTooLarge(
                f"rendering needs about {size >> 20:,} MiB of memory and the worker has {self.total >> 20:,} MiB: "
                "scale the image down or give the worker more memory"
            )

    @asynccontextmanager
    async def admit(self, size: int) -> AsyncIterator[None]:
        """Holds ``size`` bytes for the body; waits for its turn. Raises as ``check`` does."""
        self.check(size)
        await self._acquire(size)
        try:
            yield
        finally:
            self.free += size
            self._wake()

    async def _acquire(self, size: int) -> None:
        if not self._waiting and size <= self.free:
            self.free -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.free += size
            self._waiting = deque(entry for entry in self._waiting if entry[1] is not turn)
            self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self.free -= size
                turn.set_result(None)
