"""A picture goes in, its renditions and events come out, over real servers and real render processes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.thumbnailer.support import event_types

from heliograph_common.contracts.sizes import DEFAULT_SIZES
from heliograph_common.db.statements import renditions_of

pytestmark = pytest.mark.usefixtures("thumbnailer")


async def test_a_picture_gets_all_its_renditions(library: Any, make_jpeg: Any) -> None:
    accepted = await library.accept(make_jpeg(1200, 800))
    row = await library.finished(accepted.row.id)
    assert (row.processing_status, row.thumbnail_status, row.variant_status) == ("complete",) * 3
    assert row.processing_error is None
    assert row.thumbhash
    assert row.dominant_color
    assert row.phash is not None
    async with library.database.transaction() as connection:
        renditions = await renditions_of(connection, row.id)
    assert {(one.kind, one.name) for one in renditions} == {(size.kind, size.name) for size in DEFAULT_SIZES}
    assert [(one.kind, one.width) for one in renditions] == sorted((one.kind, one.width) for one in renditions)
    shown = {one.name: (one.width, one.height) for one in renditions}
    assert (shown["150"], shown["300"], shown["600"]) == ((150, 100), (300, 200), (600, 400))
    assert all(one.limited for one in renditions if one.kind == "variant")
    for one in renditions:
        info = await library.blobs.head(one.key)
        assert info is not None
        assert info.size == one.bytes


async def test_events_come_in_order(library: Any, make_jpeg: Any) -> None:
    accepted = await library.accept(make_jpeg())
    await library.finished(accepted.row.id)
    types = await event_types(library, accepted.row.id)
    assert types == ["image.stored", "image.thumbnails_ready", "image.variants_ready", "image.ready"]


async def test_the_same_picture_twice_is_one_image(library: Any, make_jpeg: Any) -> None:
    first = await library.accept(make_jpeg())
    again = await library.accept(make_jpeg(), name="b.jpg")
    assert first.created
    assert not again.created
    assert again.row.id == first.row.id
    other_owner = await library.accept(make_jpeg(), owner="bob")
    assert other_owner.created


async def test_a_broken_picture_fails_with_its_reason_and_a_dead_letter(library: Any, make_jpeg: Any) -> None:
    accepted = await library.accept(make_jpeg(900, 900)[:2500])
    row = await library.finished(accepted.row.id)
    assert row.processing_status == "failed"
    assert row.processing_error
    assert row.processing_retryable is False
    assert await event_types(library, accepted.row.id) == ["image.stored", "image.failed"]
    dead = await library.bus.jetstream.get_last_msg("DEAD", "dead.thumbnailer")
    assert row.processing_error in dead.data.decode()
    info = await library.bus.jetstream.consumer_info("WORK", "thumbnailer-normal")
    assert (info.num_pending, info.num_ack_pending) == (0, 0)
