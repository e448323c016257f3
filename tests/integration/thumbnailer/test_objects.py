"""Objects that are not what the rows say: an original that is damaged, the key of a rendition that was given up."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.thumbnailer.support import Gate, Library, running, state

from heliograph_common.blobs import keys
from heliograph_common.db.statements import renditions_of
from heliograph_common.ingest import incarnations
from heliograph_thumbnailer.settings import ThumbnailerSettings

Picture = Callable[..., bytes]


async def test_a_damaged_original_fails_its_image_alone_until_it_is_uploaded_again(
    library: Library, make_jpeg: Picture, make_settings: Callable[..., ThumbnailerSettings]
) -> None:
    damaged = (await library.accept(make_jpeg())).row
    good = (await library.accept(make_jpeg(seed=1))).row
    other = make_jpeg(seed=2)[: damaged.bytes].ljust(damaged.bytes, b"\0")
    await library.blobs.put(keys.original(damaged.sha256), other, content_type="image/jpeg")
    async with running(make_settings(ThumbnailerSettings)):
        assert (await library.finished(good.id)).processing_status == "complete"
        failed = await library.finished(damaged.id)
        healed = await library.accept(make_jpeg())
        complete = await library.finished(damaged.id)

    assert failed.processing_status == "failed"
    assert "the object store returned different bytes than were stored" in failed.processing_error
    assert (healed.created, healed.row.id, healed.row.processing_status) == (False, damaged.id, "pending")
    assert (complete.processing_status, complete.processing_error) == ("complete", None)


async def test_a_key_that_is_given_up_while_a_picture_is_rendered_is_not_used(
    library: Library, gate: Gate, make_jpeg: Picture
) -> None:
    image = (await library.accept(make_jpeg())).row
    await state(library, image.id, "processing")
    async with library.database.transaction() as connection:
        await incarnations.give_up_renditions(connection, image.sha256)
    gate.thumbnails.set()
    gate.variants.set()
    assert (await library.finished(image.id)).processing_status == "complete"

    async with library.database.transaction() as connection:
        renditions = await renditions_of(connection, image.id)
    assert {keys.split(each.key)[1] for each in renditions} == {1}
    for each in renditions:
        assert await library.blobs.head(each.key) is not None
