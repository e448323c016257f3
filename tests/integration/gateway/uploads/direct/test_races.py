"""Direct uploads whose object or row changes at the worst moment, over PostgreSQL and an object store that waits for it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.corpus.pictures import png

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import BlobInfo, Sink
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.db.message_models import OutboxRow
from heliograph_common.db.upload_models import DirectUpload
from heliograph_common.errors import BlobsUnavailable
from heliograph_common.http.problems import Problem
from heliograph_common.ingest.accept import Accepted, Ingest
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.settings import LimitSettings
from heliograph_common.testing.blobs import MemoryBlobs
from heliograph_common.testing.relay import NoRelay
from heliograph_gateway.settings import GatewayOwnSettings
from heliograph_gateway.uploads.direct.queries import UploadRow
from heliograph_gateway.uploads.direct.service import DirectUploads, key_of
from heliograph_gateway.uploads.options import UploadOptions

Step = Callable[[], Awaitable[object]]
OWNER = "ann"
_BLOCK = 1000


class Eventful(MemoryBlobs):
    """Awaits ``after["head"]``, ``after["download"]`` and ``after["put"]`` once each, where set, after the operation; counts
    what is read, and how much of that at one time. A read takes ``seconds``."""

    def __init__(self) -> None:
        super().__init__()
        self.after: dict[str, Step] = {}
        self.downloads = self.reading = self.most_at_once = self.bytes_read = 0
        self.seconds = 0.01

    async def head(self, key: str) -> BlobInfo | None:
        """Looks, and lets something happen."""
        found = await super().head(key)
        await self._happen("head")
        return found

    async def download_to(self, key: str, file: Sink) -> int:
        """Reads, and lets something happen."""
        self.downloads += 1
        self.reading += 1
        self.most_at_once = max(self.most_at_once, self.reading)
        try:
            await asyncio.sleep(self.seconds)  # a store takes a while
            content = await self.get(key)
            for start in range(0, len(content), _BLOCK):
                self.bytes_read += file.write(content[start : start + _BLOCK])
            return len(content)
        finally:
            self.reading -= 1
            await self._happen("download")

    async def put(self, key: str, source: Any, *, length: int | None = None, content_type: str) -> None:
        """Writes; after an original something may happen."""
        await super().put(key, source, length=length, content_type=content_type)
        if key.startswith(keys.ORIGINALS):
            await self._happen("put")

    async def _happen(self, operation: str) -> None:
        step = self.after.pop(operation, None)
        if step is not None:
            await step()


class InterruptedUploads:
    """Direct uploads over one database and one object store."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.blobs = Eventful()
        ingest = Ingest(database, Messenger(database, NoRelay()), self.blobs, waiting_before_low=100)
        limits = LimitSettings(file_bytes=100_000)
        self.uploads = DirectUploads(
            database,
            ingest,
            self.blobs,
            limits,
            GatewayOwnSettings(upload_seconds=3600, completing=2),
            signed_url_seconds=60,
        )

    async def begun(self, data: bytes, *, sha256: str | None = None) -> UploadRow:
        """An upload whose file is there."""
        row = await self.uploads.create(OWNER, UploadOptions(name="a.png"), size=len(data), sha256=sha256)
        await self.write(row, data)
        return row

    async def write(self, row: UploadRow, data: bytes) -> None:
        """What a client does with the signed URL."""
        await self.blobs.put(key_of(row.id), data, content_type="image/png")

    async def count(self, table: Any) -> int:
        async with self.database.transaction() as connection:
            return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


@pytest.fixture
async def direct(db: Database) -> InterruptedUploads:
    """Everything direct uploads need."""
    return InterruptedUploads(db)


async def refusal(awaitable: Awaitable[object], slug: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await awaitable
    assert caught.value.kind.slug == slug
    return caught.value


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_what_is_stored_is_what_was_hashed(direct: InterruptedUploads) -> None:
    good, other = png(seed=1), png(seed=2)
    row = await direct.begun(good, sha256=sha256(good))
    direct.blobs.after["download"] = lambda: direct.write(row, other)  # the signed URL can still be written to
    accepted = await direct.uploads.complete(OWNER, row.id)

    assert accepted.row.sha256 == sha256(good)
    assert await direct.blobs.get(keys.original(sha256(good))) == good
    assert await direct.blobs.head(keys.original(sha256(other))) is None


async def test_a_file_that_is_replaced_between_look_and_read(direct: InterruptedUploads) -> None:
    good = png(seed=1)
    for late in (png(seed=2), good + b"\0" * 90_000, good[:-1]):
        row = await direct.begun(good, sha256=sha256(good))
        direct.blobs.after["head"] = lambda row=row, late=late: direct.write(row, late)  # type: ignore[misc]
        await refusal(direct.uploads.complete(OWNER, row.id), "upload-mismatch")
        assert (await direct.uploads.find(OWNER, row.id)).state == "refused"

    assert direct.blobs.downloads == 3
    assert direct.blobs.bytes_read < 3 * (len(good) + _BLOCK)  # and not to the end of the large one
    assert await direct.count(Image) == 0


async def test_a_file_larger_than_announced_is_not_read(direct: InterruptedUploads) -> None:
    row = await direct.begun(png())
    await direct.write(row, b"\0" * 10_000_000)
    problem = await refusal(direct.uploads.complete(OWNER, row.id), "upload-mismatch")

    assert "10,000,000" in problem.detail
    assert direct.blobs.downloads == 0


async def test_an_upload_aborted_while_it_is_completed_makes_no_image(direct: InterruptedUploads) -> None:
    for moment in ("head", "download", "put"):
        row = await direct.begun(png())
        direct.blobs.after[moment] = lambda row=row: direct.uploads.abort(OWNER, row.id)  # type: ignore[misc]
        await refusal(direct.uploads.complete(OWNER, row.id), "not-found")
        assert direct.blobs.after == {}

    assert await direct.count(Image) == await direct.count(OutboxRow) == await direct.count(DirectUpload) == 0


async def test_one_that_is_quicker_decides(direct: InterruptedUploads) -> None:
    """Another request completes or refuses the upload at each moment of this one's work."""
    for seed, moment in enumerate(("head", "download", "put")):
        row = await direct.begun(png(seed=seed))
        done: list[Accepted] = []

        async def quicker(row: UploadRow = row, done: list[Accepted] = done) -> None:
            done.append(await direct.uploads.complete(OWNER, row.id))

        direct.blobs.after[moment] = quicker
        slower = await direct.uploads.complete(OWNER, row.id)
        assert (done[0].created, slower.created) == (True, False), moment
        assert done[0].row.id == slower.row.id
    assert await direct.count(Image) == 3

    row = await direct.begun(png(seed=7))

    async def refused() -> None:
        await direct.write(row, b"no picture")
        await refusal(direct.uploads.complete(OWNER, row.id), "upload-mismatch")

    direct.blobs.after["download"] = refused
    await refusal(direct.uploads.complete(OWNER, row.id), "upload-mismatch")
    assert await direct.count(Image) == 3


async def test_a_refusal_that_comes_too_late_is_none(direct: InterruptedUploads) -> None:
    good = png()
    row = await direct.begun(good)

    async def completed() -> None:
        await direct.write(row, good)
        await direct.uploads.complete(OWNER, row.id)

    await direct.write(row, b"x")
    direct.blobs.after["head"] = completed
    accepted = await direct.uploads.complete(OWNER, row.id)

    assert accepted.row.sha256 == sha256(good)
    assert (await direct.uploads.find(OWNER, row.id)).state == "complete"


async def test_an_outage_at_any_moment_leaves_the_upload_open(direct: InterruptedUploads) -> None:
    row = await direct.begun(png())

    async def down() -> None:
        direct.blobs.down = True

    for moment in ("head", "download"):
        direct.blobs.after[moment] = down
        with pytest.raises(BlobsUnavailable):
            await direct.uploads.complete(OWNER, row.id)
        direct.blobs.down = False
        assert (await direct.uploads.find(OWNER, row.id)).state == "open"

    direct.blobs.after["put"] = down  # the object cannot be deleted then, which is the collector's business
    accepted = await direct.uploads.complete(OWNER, row.id)
    direct.blobs.down = False
    assert accepted.created
    assert await direct.blobs.head(key_of(row.id)) is not None


async def test_few_are_read_at_one_time(direct: InterruptedUploads) -> None:
    rows = [await direct.begun(png(seed=seed)) for seed in range(8)]
    direct.blobs.seconds = 0.5  # long enough for the next to come, however busy the machine is
    await asyncio.gather(*(direct.uploads.complete(OWNER, row.id) for row in rows))

    assert direct.blobs.downloads == 8
    assert direct.blobs.most_at_once == 2
