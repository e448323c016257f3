"""A thumbnailer that has rendered a thousand pictures holds no more than one that has rendered a hundred."""

from __future__ import annotations

import asyncio

import psutil
import pytest
from tests.corpus import pictures
from tests.integration.stack.support import Running

from heliograph_client import AsyncClient

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(400), pytest.mark.unmeasured]

CONCURRENT = 8
CHILD_GROWS = 4 << 20
"""Bytes by which a render process that will soon be replaced exceeds a young one."""


async def _render(client: AsyncClient, numbers: range) -> None:
    """Uploads pictures that nobody has seen yet, a few at a time, and waits for all of them."""
    slots = asyncio.Semaphore(CONCURRENT)

    async def one(number: int) -> None:
        async with slots:
            image = await client.upload(
                pictures.jpeg(320 + number % 100, 200 + number // 100), name=f"memory-{number}.jpg"
            )
            assert (await client.wait(image.id, timeout=120)).status == "complete"

    await asyncio.gather(*(one(number) for number in numbers))


def _held(thumbnailer: psutil.Process) -> tuple[int, list[int]]:
    """Bytes that the service holds, and that each of its render processes has resident: no user but root may read more of
    processes that keep their memory to themselves."""
    children = thumbnailer.children(recursive=True)
    return thumbnailer.memory_full_info().uss, [child.memory_info().rss for child in children]


async def test_memory_does_not_grow_with_the_number_of_pictures(stack: Running) -> None:
    before = stack.restarts()
    thumbnailer = stack.process("thumbnailer")
    async with stack.client() as client:
        await _render(client, range(100))
        service, children = _held(thumbnailer)
        await _render(client, range(100, 1000))
        service_later, children_later = _held(thumbnailer)
    assert stack.restarts() == before
    assert service_later <= 1.1 * service
    assert sum(children_later) <= sum(children) + len(children) * CHILD_GROWS
