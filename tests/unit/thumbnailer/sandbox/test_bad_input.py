"""Every hostile file ends in a clear refusal or a sound rendition, within bounds, and harms no picture after it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.corpus import pictures
from tests.corpus.cases import RENDER, Case, cases

from heliograph_common.errors import RejectedImage
from heliograph_thumbnailer.imaging.model import RenderJob, ThumbnailsDone, VariantsDone
from heliograph_thumbnailer.sandbox.pool import RenderPool

SECONDS = 20.0  # what a hostile file may take at most; most take milliseconds


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(1)
    await pool.start()
    yield pool
    await pool.stop()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
async def test_hostile_file(pool: RenderPool, case: Case) -> None:
    data, started = case.data(), time.monotonic()
    if case.outcome == RENDER:
        assert [type(event) async for event in pool.render(data, RenderJob())] == [ThumbnailsDone, VariantsDone]
    else:
        with pytest.raises(RejectedImage) as refusal:
            _ = [event async for event in pool.render(data, RenderJob())]
        assert case.outcome in {type(refusal.value).__name__, "refused"}
        assert ":" in str(refusal.value), "a refusal names its remedy after a colon"
    assert time.monotonic() - started < SECONDS
    after = [event async for event in pool.render(pictures.jpeg(), RenderJob())]
    assert len(after) == 2
