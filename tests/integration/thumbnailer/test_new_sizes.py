"""Pictures that were complete are rendered in changed sizes on request, and what was replaced is collected."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from heliograph_common.db.display_size_models import DisplaySize
from heliograph_common.db.statements import renditions_of
from heliograph_common.ingest.collect import Collector
from heliograph_gateway.display_sizes import service as size_runs
from heliograph_gateway.display_sizes.service import SizeRuns

pytestmark = pytest.mark.usefixtures("thumbnailer")


async def _renditions(library: Any, image_id: Any) -> dict[str, Any]:
    async with library.database.transaction() as connection:
        return {one.name: one for one in await renditions_of(connection, image_id)}


async def test_a_run_over_complete_pictures(library: Any, make_jpeg: Any) -> None:
    images = [(await library.accept(make_jpeg(1200, 800, seed=seed))).row for seed in range(3)]
    for image in images:
        await library.finished(image.id)
    before = [await _renditions(library, image.id) for image in images]
    async with library.database.transaction() as connection:
        await connection.execute(update(DisplaySize).where(DisplaySize.name == "300").values(width=320, height=320))
        await connection.execute(delete(DisplaySize).where(DisplaySize.name == "600"))
        await size_runs.start(connection)
    runs = SizeRuns(library.messenger, waiting=2)
    async with asyncio.timeout(60):
        while True:
            await runs.advance()
            async with library.database.transaction() as connection:
                told = await size_runs.progress(connection)
            assert told is not None
            assert told["waiting"] <= 2
            if told["state"] == "complete":
                break
            await asyncio.sleep(0.05)

    assert (told["total"], told["done"]) == (3, 3)
    await asyncio.sleep(0.01)  # the grace of the collector below
    await Collector(library.database, library.blobs, grace=timedelta(milliseconds=1)).run_once()
    for image, old in zip(images, before, strict=True):
        new = await _renditions(library, image.id)
        assert (new["300"].width, old["300"].width) == (320, 300)
        assert new.keys() == old.keys()
        assert {name for name in new if new[name].key != old[name].key} == {"300"}
        assert await library.blobs.head(old["300"].key) is None
        for rendition in new.values():
            assert await library.blobs.head(rendition.key) is not None
        assert (await library.image(image.id)).processing_status == "complete"
