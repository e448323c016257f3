"""An event loop in a thread of its own, for code that has none: what ``sync.Client`` runs on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

Result = TypeVar("Result")


class Background:
    """Coroutines are run on it from any thread, until ``_end``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="heliograph-client", daemon=True)
        self._thread.start()

    def _end(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs ``last``, then ends the thread; does nothing the second time."""
        if self._loop.is_closed():
            return
        self._run(last())
        self._run(self._loop.shutdown_asyncgens())
        self._run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C in the caller's thread ends the request too
            raise

    def _iterate(self, source: AsyncGenerator[Result, None]) -> Iterator[Result]:
        async def following() -> Result:
            return await anext(source)

        try:
            while True:
                try:
                    item = self._run(following())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if not self._loop.is_closed():
                self._run(source.aclose())
