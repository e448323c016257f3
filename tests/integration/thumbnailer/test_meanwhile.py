"""What clients do to an image while it is rendered: delete it, retry it, delete others of a run over all images.

A gate holds the render where the test wants it; gateway, renders and servers are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from tests.integration.gateway.support import running as running_gateway
from tests.integration.thumbnailer.support import Gate, Library, event_types, no_work, running, state

from heliograph_common.blobs import keys
from heliograph_common.contracts.sizes import DEFAULT_SIZES
from heliograph_common.db import statements
from heliograph_common.ingest.collect import Collector
from heliograph_gateway.display_sizes import service as size_runs
from heliograph_gateway.display_sizes.service import SizeRuns
from heliograph_gateway.settings import GatewaySettings
from heliograph_thumbnailer import queries as store
from heliograph_thumbnailer.settings import ThumbnailerSettings

Picture = Callable[..., bytes]


@pytest.fixture
async def ann(library: Library, make_settings: Callable[..., Any]) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a gateway over the same servers."""
    async with running_gateway(make_settings(GatewaySettings, http={"port": 0})) as gateway, gateway.client() as client:
        yield client


async def _left_over(library: Library, sha256: str) -> list[str]:
    return [info.key async for info in library.blobs.list(keys.renditions(sha256))]


@pytest.mark.parametrize("stage", ["thumbnails", "variants"])
async def test_an_image_deleted_while_it_is_rendered_stays_deleted(
    stage: str, library: Library, gate: Gate, ann: httpx2.AsyncClient, make_jpeg: Picture
) -> None:
    image = (await library.accept(make_jpeg())).row
    await state(library, image.id, "processing")
    if stage == "variants":
        gate.thumbnails.set()
        await state(library, image.id, "complete")
    deleted = await ann.delete(f"/v1/images/{image.id}")
    gate.thumbnails.set()
    gate.variants.set()
    await no_work(library)  # long before ack_wait: the message is done with, not waiting for another try

    before = ["image.thumbnails_ready"] if stage == "variants" else []
    assert deleted.status_code == 204
    assert await event_types(library, image.id) == ["image.stored", *before, "image.deleted"]
    assert (await ann.get(f"/v1/images/{image.id}")).status_code == 404
    await Collector(library.database, library.blobs, grace=timedelta(0)).run_once()
    assert await _left_over(library, image.sha256) == []
    assert await library.blobs.head(keys.original(image.sha256)) is None

    anew = await library.accept(make_jpeg())  # the same bytes are a new image, rendered like any other
    assert anew.created
    assert (await library.finished(anew.row.id)).processing_status == "complete"


async def test_the_render_of_a_deleted_image_leaves_anothers_alone(
    library: Library, gate: Gate, ann: httpx2.AsyncClient, make_jpeg: Picture
) -> None:
    anns, bobs = (await library.accept(make_jpeg())).row, (await library.accept(make_jpeg(), owner="bob")).row
    await state(library, anns.id, "processing")
    assert (await ann.delete(f"/v1/images/{anns.id}")).status_code == 204
    gate.thumbnails.set()
    gate.variants.set()
    assert (await library.finished(bobs.id)).processing_status == "complete"
    await Collector(library.database, library.blobs, grace=timedelta(0)).run_once()

    async with library.database.transaction() as connection:
        renditions = await statements.renditions_of(connection, bobs.id)
    assert len(renditions) == len(DEFAULT_SIZES)
    for rendition in renditions:
        assert await library.blobs.head(rendition.key) is not None


async def test_an_image_that_is_rendered_is_not_retried(
    library: Library, gate: Gate, ann: httpx2.AsyncClient, make_jpeg: Picture
) -> None:
    image = (await library.accept(make_jpeg())).row
    await state(library, image.id, "processing")
    early = await ann.post(f"/v1/images/{image.id}/retry")
    gate.thumbnails.set()
    gate.variants.set()
    await library.finished(image.id)
    late = await ann.post(f"/v1/images/{image.id}/retry")

    assert [early.status_code, late.status_code] == [409, 409]
    assert [early.json()["state"], late.json()["state"]] == ["processing", "complete"]
    assert gate.renders == 1


async def test_a_success_that_comes_after_the_retry_counts_once(
    library: Library, gate: Gate, ann: httpx2.AsyncClient, make_jpeg: Picture
) -> None:
    """Given up from outside while a worker still had it, then retried: the worker's result is good, and the command of the
    retry finds nothing to do."""
    image = (await library.accept(make_jpeg())).row
    await state(library, image.id, "processing")
    async with library.database.transaction() as connection:
        failed = await store.fail(connection, image.id, reason="not finished in 10 attempts", retryable=True)
    assert failed is not None
    retried = await ann.post(f"/v1/images/{image.id}/retry")
    gate.thumbnails.set()
    gate.variants.set()
    await no_work(library)

    assert (retried.status_code, retried.json()["status"]) == (202, "pending")
    row = await library.image(image.id)
    assert (row.processing_status, row.processing_error, gate.renders) == ("complete", None, 1)
    told = await event_types(library, image.id)
    assert sorted(told[:2]) == ["image.retried", "image.stored"]
    assert told[2:] == ["image.thumbnails_ready", "image.variants_ready", "image.ready"]


async def test_a_run_over_images_that_are_deleted_meanwhile_comes_to_its_end(
    library: Library, ann: httpx2.AsyncClient, make_jpeg: Picture, make_settings: Callable[..., Any]
) -> None:
    images = [(await library.accept(make_jpeg(640, 480, seed=seed))).row for seed in range(6)]
    async with running(make_settings(ThumbnailerSettings)):
        for image in images:
            await library.finished(image.id)
    async with library.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE display_sizes SET width = 320, height = 320 WHERE name = '300'")
        begun = await size_runs.start(connection)
    runs = SizeRuns(library.messenger, waiting=3)
    assert (await ann.delete(f"/v1/images/{images[0].id}")).status_code == 204  # before its command
    await runs.advance()
    assert (await ann.delete(f"/v1/images/{images[1].id}")).status_code == 204  # its command waits
    async with running(make_settings(ThumbnailerSettings)), asyncio.timeout(60):
        while (told := await _progress(library))["state"] != "complete":
            await runs.advance()
            await asyncio.sleep(0.05)

    assert (begun["total"], told["queued"], told["progress"]) == (6, 5, 100)
    for image in images[2:]:
        async with library.database.transaction() as connection:
            widths = {one.name: one.width for one in await statements.renditions_of(connection, image.id)}
        assert widths["300"] == 320
        assert widths.keys() == {size.name for size in DEFAULT_SIZES}


async def _progress(library: Library) -> dict[str, Any]:
    async with library.database.transaction() as connection:
        told = await size_runs.progress(connection)
    assert told is not None
    return told
