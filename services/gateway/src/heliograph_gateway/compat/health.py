"""What the health routes of older clients are told, which ask without a token and as often as they like.

Each question to a server is asked once a second at most, whoever asks, and has two seconds for its answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

import structlog

from heliograph_common.errors import DatabaseUnavailable
from heliograph_gateway.queue.service import Queue

CACHE_SECONDS = 1.0
PATIENCE = 2.0

log = structlog.get_logger(__name__)

_Answer = TypeVar("_Answer")


class Polls:
    """``configured``: whether a model can be asked, as its analyzers have written it into the database."""

    def __init__(
        self, queue: Queue, configured: Callable[[], Awaitable[bool]], *, cache_seconds: float = CACHE_SECONDS
    ) -> None:
        self._configured = _Remembered(configured, cache_seconds)
        self._queue = _Remembered(queue.state_of_all, cache_seconds)

    async def configured(self) -> bool:
        """Whether a model can be asked; while the database is away what was last known."""
        await self._configured.ask()
        return bool(self._configured.last)

    async def queue(self) -> Mapping[str, Any] | None:
        """The state of the queue, counted over all owners; ``None`` while the database is away."""
        return await self._queue.ask()


class _Remembered(Generic[_Answer]):
    """The answer to ``question``, asked by one at a time. ``last`` is the last one that there was."""

    def __init__(self, question: Callable[[], Awaitable[_Answer]], cache_seconds: float) -> None:
        self.last: _Answer | None = None
        self._question = question
        self._cache_seconds = cache_seconds
        self._now: _Answer | None = None
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def ask(self) -> _Answer | None:
        """``None`` where there is no answer."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= self._cache_seconds:
                self._now = await self._asked()
                self._asked_at = time.monotonic()
        return self._now

    async def _asked(self) -> _Answer | None:
        try:
            async with asyncio.timeout(PATIENCE):
                self.last = await self._question()
        except (DatabaseUnavailable, TimeoutError) as error:
            log.warning("health incomplete", error=str(error) or f"no answer within {PATIENCE:g} s")
            return None
        return self.last
