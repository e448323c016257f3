"""Hostile headers cost the gateway milliseconds of a thread: its loop goes on, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.corpus.repeats import HOSTILE, MEGABYTE
from tests.heartbeat import Heartbeat
from tests.integration.gateway.support import Gateway, problem

from heliograph_common.ingest.sniff import Limits
from heliograph_common.ingest.spool import Spool


@pytest.fixture(scope="module")
def hostile() -> bytes:
    """45 MB of empty extensions: 15 million blocks."""
    return next(repeat.make(45 * MEGABYTE) for repeat in HOSTILE if repeat.name == "gif empty extensions")


async def test_five_hostile_uploads_do_not_hold_the_loop(gateway: Gateway, hostile: bytes) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(hostile), 1 << 20):
            yield hostile[at : at + (1 << 20)]

    async with gateway.client("mallory") as mallory, Heartbeat() as heartbeat:
        answers = await asyncio.gather(
            *(mallory.post("/v1/images", content=pieces(), headers={"Content-Type": "image/gif"}) for _ in range(5))
        )
    for answer in answers:
        assert "too many parts" in problem(answer, "bad-image")["detail"]
    assert heartbeat.longest < 2.0


async def test_finishing_a_spool_does_not_hold_the_loop(hostile: bytes) -> None:
    """Every route ends with it: raw and multipart bodies, parts of resumable uploads, objects sent straight to S3."""
    with Spool(Limits()) as spool:
        spool.write(hostile)
        async with Heartbeat() as heartbeat:
            _ = await asyncio.gather(spool.finish(), return_exceptions=True)
    assert heartbeat.longest < 0.5


@pytest.mark.parametrize(
    "data", [b"II+\0\x08\0\0\0" + b"\xff" * 8, b"\0\0\0\x18ftypavif\0\0\0\0avifmif1\0\0\0\1free\x80" + bytes(7)]
)
async def test_impossible_offsets_are_no_error_of_ours(gateway: Gateway, data: bytes) -> None:
    async with gateway.client() as ann:
        answer = await ann.post("/v1/images", content=data, headers={"Content-Type": "image/tiff"})
    assert answer.status_code == 422
    problem(answer, "bad-image")
