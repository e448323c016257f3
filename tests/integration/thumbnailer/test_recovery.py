"""What happens when a render fails, comes late, or is asked for again."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from sqlalchemy import delete, update
from tests.components import started
from tests.integration.thumbnailer.support import Library, running
from tests.polling import until

from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.sizes import DEFAULT_SIZES
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import statements
from heliograph_common.db.display_size_models import DisplaySize
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.errors import Stale
from heliograph_common.ingest.accept import Ingest
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_thumbnailer import queries as store
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob
from heliograph_thumbnailer.sandbox.pool import RenderPool
from heliograph_thumbnailer.sandbox.zygote import RenderCrashed, RenderUnavailable
from heliograph_thumbnailer.settings import ThumbnailerSettings


class CrashingRenderer:
    """Fails as a dying child does."""

    def __init__(self) -> None:
        self.calls = 0

    async def render(self, original: int, job: RenderJob) -> AsyncGenerator[RenderEvent]:
        self.calls += 1
        raise RenderCrashed("the render process died: signal 11", delay=0.01)
        yield  # pragma: no cover - makes this a generator


class OutOfProcesses:
    """A machine that grants a pool no child until it was asked ``times`` times whether it does."""

    def __init__(self, pool: RenderPool, times: int) -> None:
        zygote = pool._zygote._process
        assert zygote is not None
        self._pool, self._left, self._pid = pool, times, zygote.pid
        self._before = resource.prlimit(self._pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, (4, self._before[1]))
        pool._idle.pop().close()

    async def ready(self) -> None:
        try:
            await self._pool.ready()
        except RenderUnavailable:
            self._left -= 1
            if self._left == 0:
                resource.prlimit(self._pid, resource.RLIMIT_NOFILE, self._before)
            raise


async def test_want_of_a_render_process_costs_no_attempt(library: Library, make_jpeg: Callable[..., bytes]) -> None:
    """However long: what nobody confirms would be a failure of the picture after four tries."""
    accepted = await library.accept(make_jpeg())
    pool = RenderPool(1)
    async with started([pool]):
        machine = OutOfProcesses(pool, times=4)  # and the render itself, which is asked first
        async with library.worker(pool, max_attempts=1, available=(machine.ready,)):
            row = await library.finished(accepted.row.id)
    assert (row.processing_status, row.processing_attempts) == ("complete", 0)


async def test_three_crashes_open_the_circuit_and_retry_closes_it(
    library: Library, make_jpeg: Callable[..., bytes], make_settings: Callable[..., Any]
) -> None:
    accepted = await library.accept(make_jpeg())
    renderer = CrashingRenderer()
    async with library.worker(renderer):
        row = await library.finished(accepted.row.id)
    assert renderer.calls == 3
    assert (row.processing_status, row.processing_attempts, row.processing_retryable) == ("failed", 3, True)
    assert "signal 11" in row.processing_error

    async with running(make_settings(ThumbnailerSettings)):
        async with library.messenger.transaction() as transaction:
            # A stray command finds the circuit open and does nothing.
            await transaction.request(subjects.render(Priority.HIGH), RenderImage(image_id=row.id), owner="ann")
        await asyncio.sleep(1)  # time to render, which would be wrong
        assert (await library.image(row.id)).processing_status == "failed"
        async with library.messenger.transaction() as transaction:
            assert await statements.reset_processing(transaction.connection, row.id) is not None
            await transaction.request(subjects.render(Priority.NORMAL), RenderImage(image_id=row.id), owner="ann")
        row = await library.finished(row.id)
    assert (row.processing_status, row.processing_attempts, row.processing_error) == ("complete", 0, None)


@pytest.mark.usefixtures("thumbnailer")
async def test_a_command_for_a_complete_picture_renders_only_what_is_missing(
    library: Library, make_jpeg: Callable[..., bytes]
) -> None:
    accepted = await library.accept(make_jpeg())
    row = await library.finished(accepted.row.id)
    async with library.messenger.transaction() as transaction:
        lost = delete(Rendition).where(Rendition.image_id == row.id, Rendition.name == "300")
        await transaction.connection.execute(lost)
        changed = update(DisplaySize).where(DisplaySize.name == "1038x1278").values(width=500, height=500)
        await transaction.connection.execute(changed)
        await transaction.request(subjects.render(Priority.NORMAL), RenderImage(image_id=row.id), owner="ann")

    async def rendered() -> dict[str, Any] | None:
        async with library.database.transaction() as connection:
            found = {one.name: one for one in await statements.renditions_of(connection, row.id)}
        return found if "300" in found and found["1038x1278"].width == 500 else None

    found = await until(rendered)
    assert found.keys() == {size.name for size in DEFAULT_SIZES}
    assert found["150"].created_at < found["300"].created_at
    assert (await library.finished(row.id)).render_fence > row.render_fence


async def test_a_stale_attempt_cannot_write(library: Library, make_jpeg: Callable[..., bytes]) -> None:
    accepted = await library.accept(make_jpeg())
    async with library.database.transaction() as connection:
        first = await store.claim(connection, accepted.row.id, 1)
    async with library.database.transaction() as connection:
        second = await store.claim(connection, accepted.row.id, 2)
    assert first is not None
    assert second is not None
    async with library.database.transaction() as connection:
        with pytest.raises(Stale):
            await store.save_variants(connection, first, [])
        with pytest.raises(Stale):
            await store.count_failed_attempt(connection, first, "late")
        done = await store.save_variants(connection, second, [])
    assert done.processing_status == "complete"


async def test_a_deleted_picture_is_not_rendered(
    library: Library, make_jpeg: Callable[..., bytes], make_settings: Callable[..., Any]
) -> None:
    accepted = await library.accept(make_jpeg())
    async with library.database.transaction() as connection:
        gone = update(Image).where(Image.id == accepted.row.id).values(deleted_at=accepted.row.created_at)
        await connection.execute(gone)

    async def done_with() -> bool:
        info = await library.bus.jetstream.consumer_info("WORK", "thumbnailer-normal")
        taken = info.delivered is not None and bool(info.delivered.stream_seq)
        return taken and (info.num_pending, info.num_ack_pending) == (0, 0)

    async with running(make_settings(ThumbnailerSettings)):
        await until(done_with)
    async with library.database.transaction() as connection:
        assert await statements.renditions_of(connection, accepted.row.id) == []


async def test_work_from_its_rows_alone(
    library: Library, make_jpeg: Callable[..., bytes], make_settings: Callable[..., Any]
) -> None:
    settings = make_settings(ThumbnailerSettings).model_copy(update={"render_source": "postgresql"})
    await library.backbone.relay.stop(1)  # it would sweep the commands into NATS, as a service without the setting does
    backbone = Backbone.connect("gateway", settings, Health())
    holding = Library(backbone, Ingest(backbone.database, backbone.messenger, backbone.blobs, waiting_before_low=100))
    async with started(backbone.components), running(settings):
        row = await library.finished((await holding.accept(make_jpeg())).row.id)
    assert row.processing_status == "complete"
    info = await library.bus.jetstream.stream_info("WORK")
    assert info.state.last_seq == 0  # no command ever went through NATS
