"""Threads cannot be stopped: what they yield too late is not lost sight of."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.polling import until

from heliograph_importer.sources.dropbox.threads import Threads


async def test_what_comes_after_the_caller_has_left_is_discarded() -> None:
    threads, begun, going, discarded = Threads(1), threading.Event(), threading.Event(), list[str]()

    def work() -> str:
        begun.set()
        going.wait(30)
        return "late"

    task = asyncio.create_task(threads.run(work, discard=discarded.append))
    await until(begun.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert discarded == []
    going.set()
    await until(lambda: discarded)
    assert discarded == ["late"]
    assert await threads.run(lambda: "next", discard=discarded.append) == "next"
    assert discarded == ["late"]
    threads.close()
    threads.later(lambda: discarded.append("closed"))
    assert discarded == ["late"]
