"""The threads in which the SDK, which is synchronous, waits for Dropbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from heliograph_importer.sources.dropbox.errors import translated
from heliograph_importer.sources.port import ProviderFailed

_Result = TypeVar("_Result")
_SECONDS = 90.0
"""More than all timeouts of one request together: for what has none, such as resolving a name."""


class Threads:
    """At most ``number`` at a time."""

    def __init__(self, number: int) -> None:
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="dropbox")

    async def run(self, work: Callable[[], _Result], *, discard: Callable[[_Result], None] | None = None) -> _Result:
        """The result of ``work``. A thread cannot be stopped: what it yields after the caller has left goes to ``discard``.

        Raises:
            ProviderFailed: it took too long, or as ``errors.translated`` says.
        """
        future = self._pool.submit(copy_context().run, translated, work)  # so that its requests are in this trace
        try:
            async with asyncio.timeout(_SECONDS):
                return await asyncio.wrap_future(future)
        except (asyncio.CancelledError, TimeoutError) as error:
            if discard is not None:
                future.add_done_callback(partial(_discard, discard))
            if isinstance(error, TimeoutError):
                raise ProviderFailed("Dropbox did not answer in time") from error
            raise

    def later(self, work: Callable[[], object]) -> None:
        """Has ``work`` done without waiting for it; what fails of it is of no interest."""
        with suppress(RuntimeError):  # closed
            self._pool.submit(work)

    def close(self) -> None:
        """Takes no more work, and waits for none."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _discard(discard: Callable[[_Result], None], future: Future[_Result]) -> None:
    if not future.cancelled() and future.exception() is None:
        discard(future.result())
