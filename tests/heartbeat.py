"""Measures how long an event loop is held: a task that wants to run every few milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import time

_INTERVAL = 0.005


class Heartbeat:
    """Beats while its context is open; ``longest`` is the longest pause between two beats in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Heartbeat:
        self._task = asyncio.create_task(self._beat())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        await asyncio.sleep(2 * _INTERVAL)  # the pause that is just over counts too
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _beat(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(_INTERVAL)  # real time is what it measures
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            last = now
