"""Work that is done again and again: sweepers, the reconciler, gauges of depth and age."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from heliograph_common.errors import Temporary

BACKOFF_SECONDS = 30.0
"""How far apart failing runs move, unless the interval is longer anyway."""
LATE_INTERVALS = 5

log = structlog.get_logger(__name__)


class Periodic:
    """A component that awaits ``function`` every ``interval`` seconds, varied by ``jitter`` (a fraction), the first
    time at once. An exception is logged and followed by a longer pause, up to ``BACKOFF_SECONDS``. ``check`` fails after
    ``late_seconds`` without a successful run (``None``: ``LATE_INTERVALS`` intervals and the longest pause)."""

    def __init__(
        self,
        name: str,
        *,
        interval: float,
        function: Callable[[], Awaitable[object]],
        jitter: float = 0.1,
        late_seconds: float | None = None,
    ) -> None:
        self.name = name
        self._interval = interval
        self._jitter = jitter
        self._function = function
        self._late = LATE_INTERVALS * interval + BACKOFF_SECONDS if late_seconds is None else late_seconds
        self._failures = 0
        self._last_success = time.monotonic()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins the first run."""
        self._last_success = time.monotonic()
        self._task = asyncio.create_task(self._loop(), name=f"periodic-{self.name}")

    async def stop(self, deadline_seconds: float) -> None:
        """Lets the run in hand finish for ``deadline_seconds``, then cancels it."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=deadline_seconds)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def died(self) -> None:
        """Returns when the loop ended."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def check(self) -> None:
        """For ``Health``: raises when there was no successful run for long."""
        age = time.monotonic() - self._last_success
        if age > self._late:
            raise Temporary(f"{self.name} last succeeded {age:.0f} s ago; see its errors in the log")

    async def _loop(self) -> None:
        while not self._stopping.is_set():
            pause = await self._run()
            try:
                async with asyncio.timeout(pause * random.uniform(1 - self._jitter, 1 + self._jitter)):  # noqa: S311
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _run(self) -> float:
        """One run; returns the pause after it in seconds."""
        try:
            await self._function()
        except Exception as error:
            self._failures += 1
            delay = error.delay if isinstance(error, Temporary) else None
            pause = delay or min(self._interval * 2**self._failures, max(self._interval, BACKOFF_SECONDS))
            log.warning(
                "periodic run failed",
                task=self.name,
                failures=self._failures,
                pause=pause,
                error=repr(error),
                exc_info=not isinstance(error, Temporary),  # an outage needs no stack trace a second
            )
            return pause
        self._failures = 0
        self._last_success = time.monotonic()
        return self._interval


class Wakeup:
    """Lets a function that is run again and again begin before its time."""

    def __init__(self) -> None:
        self._more = asyncio.Event()

    def wake(self) -> None:
        """There may be more to do."""
        self._more.set()

    async def wait(self, seconds: float) -> None:
        """Returns once there may be more to do, or after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._more.wait()
        except TimeoutError:
            pass
        self._more.clear()
