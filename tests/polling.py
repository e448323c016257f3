"""Waiting for what nobody announces: the one place in which tests ask again and again.

The limits keep a failure from hanging; they measure nothing."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

_EVERY = 0.02


async def until(condition: Callable[[], Any], seconds: float = 30.0, *, every: float = _EVERY) -> Any:
    """What ``condition`` returns, or what its coroutine does, as soon as that is true. Asked ``every`` so many
    seconds. Raises ``AssertionError`` with what it said last when ``seconds`` are over."""
    said: Any = None
    try:
        async with asyncio.timeout(seconds) as limit:
            while True:
                said = condition()
                if inspect.isawaitable(said):
                    said = await said
                if said:
                    return said
                await asyncio.sleep(every)
    except TimeoutError:
        if not limit.expired():
            raise
        raise AssertionError(f"not within {seconds:g} s; last it was {said!r}") from None


def until_sync(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """``until`` for tests without an event loop."""
    deadline = time.monotonic() + seconds
    while not (said := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s; last it was {said!r}"
        time.sleep(_EVERY)
    return said
