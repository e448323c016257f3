"""An image that is to be analyzed gets a rendition for the model; then its analysis is ready, or sent if it is urgent."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any
from uuid import UUID

import pytest
from nats.js.errors import NotFoundError
from sqlalchemy import delete, insert, update
from tests.components import started
from tests.integration.thumbnailer.support import Gate, Library, event_types, no_work, running, state
from tests.polling import until

from heliograph_common.blobs import keys
from heliograph_common.contracts import subjects
from heliograph_common.contracts.envelope import body_of, decode
from heliograph_common.contracts.messages import AnalyzeImage, ImageReady, RenderImage, ThumbnailsReady
from heliograph_common.contracts.sizes import DEFAULT_SIZES
from heliograph_common.contracts.streams import THUMBNAILER
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import analyses
from heliograph_common.db.display_size_models import DisplaySize
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.statements import renditions_of
from heliograph_common.ingest import analysis
from heliograph_common.ingest.analysis import Wanted, wanted
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob
from heliograph_thumbnailer.sandbox.pool import RenderPool
from heliograph_thumbnailer.sandbox.zygote import RenderCrashed
from heliograph_thumbnailer.settings import ThumbnailerSettings

Picture = Callable[..., bytes]


async def analysis_commands(library: Library) -> list[tuple[str, str, UUID, str]]:
    """Subject, owner, image and profile of the commands to analyze that wait, oldest first."""
    found: list[tuple[str, str, UUID, str]] = []
    sequence = 1
    with contextlib.suppress(NotFoundError):
        while True:
            message = await library.bus.jetstream.get_msg("WORK", sequence, subject="work.analyze.*", next=True)
            envelope = decode(message.data or b"")
            body = body_of(envelope, AnalyzeImage)
            found.append((message.subject or "", envelope.owner, body.image_id, body.profile))
            sequence = (message.seq or 0) + 1
    return found


async def the_analysis(library: Library, image_id: UUID) -> Any:
    """The only analysis of an image."""
    async with library.database.transaction() as connection:
        (row,) = await analyses.analyses_of(connection, image_id)
    return row


async def rendered(library: Library) -> None:
    """Returns once no command to render waits or is in hand."""

    async def none_left() -> bool:
        infos = [await library.bus.jetstream.consumer_info("WORK", spec.durable) for spec in THUMBNAILER]
        return not any((info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos)

    await until(none_left)


async def render_again(library: Library, image_id: UUID) -> None:
    """Has a render command handled for an image whose renditions are all lost."""
    async with library.messenger.transaction() as transaction:
        await transaction.connection.execute(delete(Rendition).where(Rendition.image_id == image_id))
        await transaction.request(subjects.render(Priority.NORMAL), RenderImage(image_id=image_id), owner="ann")

    async def all_there() -> bool:
        async with library.database.transaction() as connection:
            return len(await renditions_of(connection, image_id)) == len(DEFAULT_SIZES) + 1

    await until(all_there)
    await rendered(library)


@pytest.mark.usefixtures("thumbnailer")
async def test_what_somebody_waits_for_is_sent_with_the_thumbnails_and_not_again(
    library: Library, make_jpeg: Picture
) -> None:
    plain = (await library.accept(make_jpeg(seed=1))).row
    await library.finished(plain.id)
    image = (await library.accept(make_jpeg(2000, 1500, seed=2), analyze=Wanted("food", urgent=True))).row
    row = await library.finished(image.id)
    await rendered(library)

    command = ("work.analyze.food", "ann", image.id, "food")
    assert await analysis_commands(library) == [command]
    assert (row.processing_status, row.analysis_status) == ("complete", "pending")
    assert await event_types(library, image.id) == [
        "image.stored", "image.thumbnails_ready", "image.variants_ready", "image.ready",
    ]  # fmt: skip
    thumbnails = await library.bus.jetstream.get_last_msg("EVENTS", "events.image.thumbnails_ready")
    ready = await library.bus.jetstream.get_last_msg("EVENTS", "events.image.ready")
    told = [body_of(decode(thumbnails.data or b""), ThumbnailsReady), body_of(decode(ready.data or b""), ImageReady)]
    assert [(body.stages.analysis, body.progress) for body in told] == [("pending", 48), ("pending", 80)]
    async with library.database.transaction() as connection:
        renditions = {one.name: one for one in await renditions_of(connection, image.id)}
        assert "analysis" not in {one.name for one in await renditions_of(connection, plain.id)}
    assert (renditions["analysis"].width, renditions["analysis"].height) == (1024, 768)

    await render_again(library, image.id)
    assert await analysis_commands(library) == [command]


@pytest.mark.usefixtures("thumbnailer")
async def test_what_nobody_waits_for_is_ready_for_its_turn(library: Library, make_jpeg: Picture) -> None:
    image = (await library.accept(make_jpeg(), analyze=wanted("describe"))).row
    assert (await the_analysis(library, image.id)).ready_at is None
    await library.finished(image.id)
    row = await the_analysis(library, image.id)
    assert (row.status, row.ready_at is None, row.sent_at) == ("queued", False, None)
    assert await analysis_commands(library) == []


@pytest.mark.usefixtures("thumbnailer")
async def test_an_image_keeps_its_thumbnails_while_one_for_the_model_is_rendered(
    library: Library, make_jpeg: Picture
) -> None:
    image = (await library.accept(make_jpeg())).row
    await library.finished(image.id)
    again = (await library.accept(make_jpeg(), analyze=Wanted("food", urgent=True))).row
    assert (again.id, again.thumbnail_status) == (image.id, "complete")

    async def sent() -> bool:
        row = await library.image(image.id)
        assert row.thumbnail_status == "complete"
        return bool(await analysis_commands(library))

    await until(sent)
    assert (await the_analysis(library, image.id)).sent_at is not None


@pytest.mark.usefixtures("thumbnailer")
async def test_a_display_size_of_that_name_from_before_yields(library: Library, make_jpeg: Picture) -> None:
    older = {"name": "analysis", "kind": "thumbnail", "width": 64, "height": 64, "fit": "contain", "format": "webp"}
    async with library.database.transaction() as connection:
        await connection.execute(insert(DisplaySize).values(older | {"quality": 80, "position": 99}))
    plain = (await library.accept(make_jpeg(seed=1))).row
    image = (await library.accept(make_jpeg(2000, 1500, seed=2), analyze=Wanted("food", urgent=True))).row
    for each in (plain, image):
        assert (await library.finished(each.id)).processing_status == "complete"
    await rendered(library)

    async with library.database.transaction() as connection:
        shown = {one.name: (one.width, one.format) for one in await renditions_of(connection, image.id)}
        assert "analysis" not in {one.name for one in await renditions_of(connection, plain.id)}
    assert shown["analysis"] == (1024, "jpeg")
    assert len(shown) == len(DEFAULT_SIZES) + 1
    assert [found[2] for found in await analysis_commands(library)] == [image.id]


class CrashingAfterThumbnails:
    """Real renders; the first one dies when it has handed out its thumbnails."""

    def __init__(self, pool: RenderPool) -> None:
        self.pool = pool
        self.renders = 0

    async def render(self, original: int, job: RenderJob) -> AsyncGenerator[RenderEvent]:
        self.renders += 1
        first = self.renders == 1
        async with contextlib.aclosing(self.pool.render(original, job)) as events:
            async for event in events:
                yield event
                if first:
                    raise RenderCrashed("the render process died: signal 9", delay=0.01)


async def test_it_is_sent_once_though_the_render_is_delivered_again(library: Library, make_jpeg: Picture) -> None:
    pool = RenderPool(1)
    renderer = CrashingAfterThumbnails(pool)
    async with started([pool]), library.worker(renderer):
        image = (await library.accept(make_jpeg(), analyze=Wanted("food", urgent=True))).row
        row = await library.finished(image.id)
        await rendered(library)

    assert (row.processing_status, renderer.renders) == ("complete", 2)
    assert [found[2] for found in await analysis_commands(library)] == [image.id]


@pytest.mark.parametrize("stage", ["thumbnails", "variants"])
async def test_it_is_asked_for_by_another_upload_of_the_bytes_meanwhile(
    stage: str, library: Library, gate: Gate, make_jpeg: Picture
) -> None:
    image = (await library.accept(make_jpeg())).row
    await state(library, image.id, "processing")
    if stage == "variants":
        gate.thumbnails.set()
        await state(library, image.id, "complete")
    again = await library.accept(make_jpeg(), analyze=Wanted("describe", urgent=True))
    before = len(await analysis_commands(library)) if stage == "thumbnails" else 0
    gate.thumbnails.set()
    gate.variants.set()
    await until(lambda: analysis_commands(library))
    await rendered(library)
    row = await library.finished(image.id)

    assert (again.created, again.row.id, before) == (False, image.id, 0)
    assert (row.analysis_profile, row.analysis_status) == ("describe", "pending")
    assert [found[2:] for found in await analysis_commands(library)] == [(image.id, "describe")]


async def test_none_is_sent_for_a_picture_that_is_deleted_or_broken(
    library: Library, gate: Gate, make_jpeg: Picture, make_settings: Callable[..., Any]
) -> None:
    image = (await library.accept(make_jpeg(), analyze=wanted("food"))).row
    await state(library, image.id, "processing")
    async with library.database.transaction() as connection:
        gone = update(Image).where(Image.id == image.id).values(deleted_at=image.created_at)
        await connection.execute(gone)
    gate.thumbnails.set()
    gate.variants.set()
    await no_work(library)
    async with running(make_settings(ThumbnailerSettings)):
        broken = (await library.accept(make_jpeg(900, 900)[:2500], analyze=wanted("food"))).row
        row = await library.finished(broken.id)

    assert (row.processing_status, row.analysis_status) == ("failed", "failed")
    assert await analysis_commands(library) == []
    analyzed = await the_analysis(library, broken.id)
    assert (analyzed.status, analyzed.error_code) == ("failed", "image_failed")
    assert row.processing_error in analyzed.error
    events = await event_types(library, broken.id)
    assert events == ["image.stored", "image.failed", "image.analysis_failed"]


@pytest.mark.usefixtures("thumbnailer")
async def test_a_complete_image_stays_complete_without_its_original(library: Library, make_jpeg: Picture) -> None:
    image = (await library.accept(make_jpeg())).row
    complete = await library.finished(image.id)
    await library.blobs.delete(keys.original(image.sha256, complete.incarnation))
    async with library.messenger.transaction() as transaction:
        await analysis.ask(transaction, complete, Wanted("food"))

    async def failed() -> bool:
        return bool((await the_analysis(library, image.id)).status == "failed")

    await until(failed)
    row = await library.image(image.id)
    assert (row.processing_status, row.thumbnail_status, row.variant_status) == ("complete", "complete", "complete")
    assert (row.processing_error, row.processing_attempts, row.analysis_status) == (None, 0, "failed")
    assert "image.failed" not in await event_types(library, image.id)
    assert (await the_analysis(library, image.id)).error_code == "image_failed"
