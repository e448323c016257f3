"""Admission by memory, and its prediction."""

from __future__ import annotations

import asyncio

import pytest

from heliograph_common.errors import ImageTooLarge
from heliograph_common.ingest.headers import Header
from heliograph_thumbnailer.imaging.model import RenderJob
from heliograph_thumbnailer.sandbox.budget import MemoryBudget
from heliograph_thumbnailer.sandbox.cost import predict


async def test_first_come_first_served() -> None:
    budget, order = MemoryBudget(10), list[str]()

    async def job(name: str, size: int) -> None:
        async with budget.admit(size):
            order.append(name)
            await asyncio.sleep(0.01)  # work takes a while

    await asyncio.gather(job("a", 6), job("large", 9), job("small", 1))
    assert order == ["a", "large", "small"], "a small job must not starve a large one"
    assert budget.free == 10


async def test_jobs_that_fit_run_together() -> None:
    budget = MemoryBudget(10)
    async with budget.admit(5), budget.admit(5):
        assert budget.free == 0
    assert budget.free == 10


async def test_what_never_fits_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="more memory"):
        async with MemoryBudget(10).admit(11):
            pytest.fail("admitted")


async def test_a_cancelled_wait_gives_nothing_away() -> None:
    budget = MemoryBudget(10)
    async with budget.admit(10):
        waiting = asyncio.create_task(budget._acquire(5))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert budget.free == 10
    async with budget.admit(10):
        assert budget.free == 0


def test_costs_follow_format_and_size() -> None:
    job = RenderJob(variants=())

    def cost(mime_type: str, *, progressive: bool = False) -> int:
        return predict(Header(mime_type, 4000, 3000, progressive=progressive), 0, job)

    assert cost("image/jpeg") < cost("image/jpeg", progressive=True) < cost("image/webp")
    assert cost("image/webp") - cost("image/jpeg") == 12 * 4000 * 3000
    assert predict(Header("image/jpeg", 4000, 3000), 0, RenderJob()) > cost("image/jpeg")
