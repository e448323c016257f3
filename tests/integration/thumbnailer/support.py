"""What the thumbnailer's tests talk with: a sender of pictures, a running thumbnailer, and renders that wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from nats.js.api import DeliverPolicy
from tests.components import started
from tests.polling import until

from heliograph_common.blobs.port import Blobs
from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.envelope import decode
from heliograph_common.db.engine import Database
from heliograph_common.db.statements import ImageRow, find_image
from heliograph_common.ingest.accept import Accepted, Ingest
from heliograph_common.ingest.sniff import Limits
from heliograph_common.ingest.spool import Spool
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.messaging.worker import WorkerSettings
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_thumbnailer.bootstrap import build
from heliograph_thumbnailer.handler import Renderer, RenderHandler
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob, ThumbnailsDone
from heliograph_thumbnailer.sandbox.pool import RenderPool
from heliograph_thumbnailer.settings import ThumbnailerSettings

PATIENCE = 10.0
"""Seconds without NATS after which a worker of a test takes commands from their rows."""


@dataclass
class Library:
    """What a sender of pictures has, and workers that render them."""

    backbone: Backbone
    ingest: Ingest

    @property
    def database(self) -> Database:
        return self.backbone.database

    @property
    def bus(self) -> Bus:
        return self.backbone.bus

    @property
    def blobs(self) -> Blobs:
        return self.backbone.blobs

    @property
    def messenger(self) -> Messenger:
        return self.backbone.messenger

    @asynccontextmanager
    async def worker(
        self, renderer: Renderer, *, max_attempts: int = 3, available: Sequence[Callable[[], Awaitable[None]]] = ()
    ) -> AsyncIterator[None]:
        """A worker with one slot whose pictures ``renderer`` renders, wired as the thumbnailer wires its own."""
        handler = RenderHandler(self.blobs, renderer, Limits(), max_attempts=max_attempts)
        worker = self.backbone.worker(handler, WorkerSettings(slots=1), patience=PATIENCE, available=available)
        async with started(worker):
            yield

    async def accept(self, data: bytes, *, name: str = "a.jpg", owner: str = "ann", **more: Any) -> Accepted:
        """Takes a picture in as an upload would."""
        with Spool(Limits()) as spool:
            spool.write(data)
            return await self.ingest.accept(await spool.finish(), owner=owner, name=name, source="upload", **more)

    async def image(self, image_id: UUID) -> ImageRow:
        """Its row."""
        async with self.database.transaction() as connection:
            row = await find_image(connection, image_id)
        assert row is not None
        return row

    async def finished(self, image_id: UUID, *, timeout: float = 60.0) -> ImageRow:
        """Its row once it is complete or failed."""

        async def found() -> ImageRow | None:
            row = await self.image(image_id)
            return row if row.processing_status in {"complete", "failed"} else None

        row: ImageRow = await until(found, timeout)
        return row


@asynccontextmanager
async def running(settings: ThumbnailerSettings) -> AsyncIterator[None]:
    """A thumbnailer in this process, its render children in their own."""
    async with started(await build(settings, Health())):
        yield


@dataclass
class Gate:
    """Real renders that wait before they hand out thumbnails, and before variants, until they are let go."""

    pool: RenderPool
    thumbnails: asyncio.Event = field(default_factory=asyncio.Event)
    variants: asyncio.Event = field(default_factory=asyncio.Event)
    renders: int = 0

    async def render(self, original: int, job: RenderJob) -> AsyncGenerator[RenderEvent]:
        self.renders += 1
        async with contextlib.aclosing(self.pool.render(original, job)) as events:
            async for event in events:
                await (self.thumbnails if isinstance(event, ThumbnailsDone) else self.variants).wait()
                yield event


async def state(library: Library, image_id: UUID, wanted: str) -> None:
    """Returns once the thumbnails of the image are in the state ``wanted``."""

    async def reached() -> bool:
        return bool((await library.image(image_id)).thumbnail_status == wanted)

    await until(reached)


async def no_work(library: Library) -> None:
    """Returns once no command waits or is in hand. What was left to its ``ack_wait`` (30 s) would take longer."""

    async def none_left() -> bool:
        return not (await library.bus.jetstream.stream_info("WORK")).state.messages

    await until(none_left, 20)


async def event_types(library: Any, image_id: object) -> list[str]:
    """The types of all events about an image so far, in stream order."""
    subscription = await library.bus.jetstream.subscribe(
        "events.image.*", ordered_consumer=True, deliver_policy=DeliverPolicy.ALL
    )
    found = []
    try:
        while True:
            message = await subscription.next_msg(timeout=0.5)
            envelope = decode(message.data)
            if envelope.data["image_id"] == str(image_id):
                found.append(envelope.type)
    except TimeoutError:
        await subscription.unsubscribe()
    return found
