"""What goes wrong with one object, told apart from what goes wrong with the server: a proxy before the real one."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from tests.polling import until
from tests.ports.s3_proxy import Fault, S3Proxy, cut_off, nothing, proxied, refused

from heliograph_common.blobs.minio import READY_KEY, MinioBlobs
from heliograph_common.blobs.port import Blobs
from heliograph_common.errors import BlobsUnavailable, BlobUnreadable, NotFound
from heliograph_common.settings import S3Settings
from heliograph_common.testing.blobs import MemoryBlobs
from heliograph_local.testing import Bucket

pytestmark = pytest.mark.backends

BROKEN = "originals/broken"


@pytest.fixture
async def proxy(bucket: Bucket) -> AsyncIterator[S3Proxy]:
    async with proxied(bucket.endpoint) as proxy:
        yield proxy


@pytest.fixture
async def blobs(bucket: Bucket, proxy: S3Proxy) -> AsyncIterator[MinioBlobs]:
    """The object store behind the proxy, with one good object and one that can be broken."""
    settings = S3Settings(
        endpoint=proxy.endpoint,
        access_key=bucket.access_key,
        secret_key=SecretStr(bucket.secret_key),
        bucket=bucket.bucket,
        region=bucket.region,
    )
    blobs = MinioBlobs(settings)
    for key in (BROKEN, "originals/good"):
        await blobs.put(key, b"x" * 1000, content_type="text/plain")
    yield blobs
    await blobs.close()


def on(proxy: S3Proxy, part: str, fault: Fault, method: str = "") -> None:
    """Requests for keys with ``part`` in them meet ``fault``."""
    proxy.pick = lambda asked, path: fault if part in path and method in asked else None


FAULTS = {
    "forbidden": refused(403, "AccessDenied"),
    "internal": refused(500, "InternalError"),
    "range": refused(416, "InvalidRange"),
    "no reason": refused(500, ""),
    "cut off": cut_off,
    "no answer": nothing,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_object_that_cannot_be_read_is_not_an_outage(fault: str, blobs: MinioBlobs, proxy: S3Proxy) -> None:
    on(proxy, "broken", FAULTS[fault])
    with pytest.raises(BlobUnreadable, match="check that object"):
        await blobs.download_to(BROKEN, io.BytesIO())
    assert await blobs.get("originals/good") == b"x" * 1000


@pytest.mark.parametrize("fault", ["forbidden", "internal", "no answer"])
async def test_an_object_that_cannot_be_written_or_deleted(fault: str, blobs: MinioBlobs, proxy: S3Proxy) -> None:
    on(proxy, "broken", FAULTS[fault])
    with pytest.raises(BlobUnreadable):
        await blobs.put(BROKEN, b"y", content_type="text/plain")
    proxy.requests.clear()
    with pytest.raises(BlobUnreadable):
        await blobs.delete(BROKEN)
    assert [method for method, path in proxy.requests if BROKEN in path] == ["DELETE"]  # once, or it may arrive late
    await blobs.delete("originals/good")


@pytest.mark.parametrize("fault", ["forbidden", "internal", "no answer"])
async def test_a_server_that_fails_on_all_is_an_outage(fault: str, blobs: MinioBlobs, proxy: S3Proxy) -> None:
    on(proxy, "", FAULTS[fault])
    for call in (blobs.get(BROKEN), blobs.head(BROKEN), blobs.delete(BROKEN), blobs.ready(), blobs.writable()):
        with pytest.raises(BlobsUnavailable):
            await call


async def test_a_server_that_takes_no_objects_is_an_outage_for_writing(blobs: MinioBlobs, proxy: S3Proxy) -> None:
    on(proxy, "", refused(500, "InternalError"), method="PUT")  # such as a full disk
    with pytest.raises(BlobsUnavailable, match="takes no objects"):
        await blobs.put(BROKEN, b"y", content_type="text/plain")
    with pytest.raises(BlobsUnavailable):
        await blobs.writable()
    await blobs.ready()
    assert await blobs.get("originals/good") == b"x" * 1000


async def test_a_busy_server_is_an_outage(blobs: MinioBlobs, proxy: S3Proxy) -> None:
    on(proxy, "broken", refused(503, "SlowDown"))
    with pytest.raises(BlobsUnavailable, match="busy"):
        await blobs.get(BROKEN)


async def test_a_bucket_that_is_not_there_is_an_outage(blobs: MinioBlobs, proxy: S3Proxy) -> None:
    on(proxy, "broken", refused(404, "NoSuchBucket"))
    with pytest.raises(BlobsUnavailable, match="check bucket"):
        await blobs.get(BROKEN)
    on(proxy, "broken", refused(404, "NoSuchKey"))
    with pytest.raises(NotFound):
        await blobs.get(BROKEN)


async def test_asking_whether_it_is_ready_writes_nothing(blobs: MinioBlobs, proxy: S3Proxy) -> None:
    proxy.requests.clear()
    await blobs.ready()
    assert [method for method, _ in proxy.requests] == ["HEAD"]
    await blobs.writable()
    assert proxy.requests[1][0] == "PUT"
    assert proxy.requests[1][1].endswith(READY_KEY)


async def test_a_cancelled_deletion_is_sent_once(blobs: MinioBlobs, proxy: S3Proxy) -> None:
    """Its thread goes on; it must not try again later by itself."""
    proxy.held = frozenset({"DELETE"})
    on(proxy, "broken", nothing, method="DELETE")
    deletion = asyncio.create_task(blobs.delete(BROKEN))
    await proxy.holding.wait()
    deletion.cancel()
    await asyncio.gather(deletion, return_exceptions=True)
    proxy.requests.clear()
    proxy.hold.set()
    await proxy.passed.wait()
    await until(lambda: any(path.endswith(READY_KEY) for _, path in proxy.requests))  # the probe that follows
    assert "DELETE" not in [method for method, _ in proxy.requests]


async def test_the_fake_can_have_a_broken_object() -> None:
    memory = MemoryBlobs()
    blobs: Blobs = memory
    await blobs.put("a", b"x", content_type="text/plain")
    memory.broken.add("a")
    for call in (blobs.get("a"), blobs.delete("a"), blobs.head("a"), blobs.download_to("a", io.BytesIO())):
        with pytest.raises(BlobUnreadable):
            await call
    await blobs.ready()
