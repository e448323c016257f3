"""Hostile files through the whole product: each refused or failed with its reason, and nobody else is harmed."""

from __future__ import annotations

import asyncio
import statistics
import time

import httpx2
import pytest
from tests.corpus import pictures
from tests.corpus.cases import RENDER, Case, cases
from tests.integration.stack.support import Running

from heliograph_client import AsyncClient
from heliograph_client.errors import ProblemError

pytestmark = pytest.mark.xdist_group("stack")


async def _submit(client: AsyncClient, case: Case) -> tuple[str, str]:
    """What became of a case: (refused, failed or complete; the reason)."""
    try:
        image = await client.upload(case.data(), name=case.name)
    except ProblemError as error:
        if error.problem.status not in {400, 413, 415, 422}:
            raise
        return "refused", str(error)
    done = await client.wait(image.id, timeout=90)
    return done.status, done.error.reason if done.error else ""


async def test_each_hostile_file_fails_by_itself(stack: Running) -> None:
    before = stack.restarts()
    async with stack.client() as client:
        for case in cases():
            outcome, reason = await _submit(client, case)
            if case.outcome == RENDER:
                assert outcome == "complete", (case.name, reason)
            elif case.by_header:
                assert outcome == "refused", (case.name, reason)
                assert len(reason) > 20, case.name
            else:
                assert outcome in {"refused", "failed"}, case.name
                assert len(reason) > 20, case.name
    assert stack.restarts() == before


async def test_pictures_among_hostile_ones_are_not_delayed(stack: Running) -> None:
    async with stack.client() as client:

        async def latency(seed: int) -> float:
            began = time.monotonic()
            image = await client.upload(pictures.jpeg(640 + seed, 480), name=f"good-{seed}.jpg")
            assert (await client.wait(image.id, timeout=90)).status == "complete"
            return time.monotonic() - began

        alone = [await latency(n) for n in range(5)]
        hostile = [asyncio.create_task(_submit(client, case)) for case in cases()]
        among = [await latency(100 + n) for n in range(5)]
        await asyncio.gather(*hostile)
    # Two cores render hostile files meanwhile, each within its own limits; a stalled queue would take a minute.
    assert statistics.median(among) < 10 + 10 * statistics.median(alone)


async def test_memory_is_given_back(stack: Running) -> None:
    async with stack.client() as client:
        for _ in range(2):
            await asyncio.gather(*(_submit(client, case) for case in cases()))
            await asyncio.sleep(1)  # memory comes back a little later
        gateway = stack.process("gateway").memory_info().rss
        thumbnailer = stack.process("thumbnailer")
        children = sum(child.memory_info().rss for child in thumbnailer.children(recursive=True))
    assert gateway < 200 << 20
    assert thumbnailer.memory_info().rss < 200 << 20
    assert children < 1 << 30


async def test_a_body_cut_off_half_way_leaves_nothing(stack: Running) -> None:
    data = pictures.jpeg(700, 500)
    url = httpx2.URL(stack.connection["api"])
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"POST /v1/images HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {stack.connection['token']}\r\n"
        f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    )
    writer.write(data[: len(data) // 2])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    async with stack.client() as client:
        image = await client.upload(data, name="whole.jpg")
        assert image.created  # nothing of the first half became an image
        assert (await client.wait(image.id, timeout=30)).status == "complete"
