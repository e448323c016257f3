"""Whichever step of a request fails, before or after it was done: an offset equal to the length means an accepted image, and
a client that asks where its upload stands and goes on from there ends with exactly one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, cast
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.corpus.pictures import png

from heliograph_common.blobs.port import Sink
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.errors import BlobsUnavailable, DatabaseUnavailable, Unavailable
from heliograph_common.ingest.accept import Ingest
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.settings import LimitSettings
from heliograph_common.testing.blobs import MemoryBlobs
from heliograph_common.testing.relay import NoRelay
from heliograph_gateway.settings import GatewayOwnSettings
from heliograph_gateway.uploads.options import UploadOptions
from heliograph_gateway.uploads.tus.body import Body
from heliograph_gateway.uploads.tus.service import Announced, Progress, ResumableUploads


class FailingStep:
    """Lets the step ``at`` fail, once; ``done``: after it was done."""

    def __init__(self, at: int, *, done: bool) -> None:
        self.steps = 0
        self._at = at
        self._done = done

    @asynccontextmanager
    async def step(self, error: Callable[[], Exception]) -> AsyncIterator[None]:
        self.steps += 1
        struck = self.steps == self._at
        if struck and not self._done:
            raise error()
        yield
        if struck:
            raise error()


class BreakingDatabase:
    """Transactions that may fail."""

    def __init__(self, inner: Database, fault: FailingStep) -> None:
        self._inner = inner
        self._fault = fault

    @asynccontextmanager
    async def transaction(self, *, statement_seconds: float | None = None) -> AsyncIterator[AsyncConnection]:
        async with (
            self._fault.step(lambda: DatabaseUnavailable("the test says so")),
            self._inner.transaction(statement_seconds=statement_seconds) as opened,
        ):
            yield opened


class BreakingBlobs(MemoryBlobs):
    """Puts, gets and deletions that may fail."""

    fault = FailingStep(0, done=False)

    async def put(self, key: str, source: bytes | BinaryIO, *, length: int | None = None, content_type: str) -> None:
        async with self.fault.step(lambda: BlobsUnavailable("the test says so")):
            await super().put(key, source, length=length, content_type=content_type)

    async def download_to(self, key: str, file: Sink) -> int:
        async with self.fault.step(lambda: BlobsUnavailable("the test says so")):
            return await super().download_to(key, file)

    async def delete(self, key: str) -> None:
        async with self.fault.step(lambda: BlobsUnavailable("the test says so")):
            await super().delete(key)


def _body(content: bytes) -> Body:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    return Body(chunks(), announced=len(content), checksum=None)


class FaultyUploads:
    """Uploads of one owner over a database and a store that fail at one step."""

    def __init__(self, db: Database, owner: str, fault: FailingStep) -> None:
        self.db = db
        self.owner = owner
        database = cast("Database", BreakingDatabase(db, fault))
        self.blobs = BreakingBlobs()
        self.blobs.fault = fault
        ingest = Ingest(database, Messenger(database, NoRelay()), self.blobs, waiting_before_low=100)
        self.tus = ResumableUploads(database, ingest, self.blobs, LimitSettings(), GatewayOwnSettings())

    async def images(self) -> list[UUID]:
        async with self.db.transaction() as connection:
            return list((await connection.execute(select(Image.id).where(Image.owner == self.owner))).scalars())

    async def upload(self, content: bytes) -> Progress:
        """As a client does it: after a failure it asks and goes on."""
        announced = Announced(length=len(content), metadata="", options=UploadOptions(), concat=None)
        created = await self._insist(lambda: self.tus.create(self.owner, announced, _body(b"")))
        while True:
            row = await self._insist(lambda: self.tus.look(created.id, self.owner))
            if row.position == row.length:
                assert [row.image_id] == await self.images()
                return Progress(row.id, row.position, None, row.image_id)
            end = row.position + 40 if row.position < 80 else len(content)
            try:
                await self.tus.append(
                    created.id, self.owner, row.position, _body(content[row.position : end]), announced=None
                )
            except Unavailable:
                continue

    async def _insist(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return await step()
            except Unavailable:
                continue


@pytest.mark.parametrize("done", [False, True], ids=["not done", "done"])
async def test_any_step_may_fail(db: Database, done: bool) -> None:
    content = png(40, 30)
    steps = await _steps(db, content)
    assert steps >= 15, "creation, two parts, three looks, and all that makes the image"
    for at in range(1, steps + 1):
        fault = FailingStep(at, done=done)
        uploads = FaultyUploads(db, f"owner-{done}-{at}", fault)
        progress = await uploads.upload(content)
        assert fault.steps >= at, "the fault struck"
        assert await uploads.images() == [progress.image_id]
        original = [info.key async for info in uploads.blobs.list("originals/")]
        assert [await uploads.blobs.get(key) for key in original] == [content]


async def _steps(db: Database, content: bytes) -> int:
    fault = FailingStep(0, done=False)
    uploads = FaultyUploads(db, "nobody", fault)
    await uploads.upload(content)
    assert [info.key async for info in uploads.blobs.list("uploads/")] == []
    return fault.steps
