"""One suite over the object store and its fake, and what only the real one can show."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import socket
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from pydantic import SecretStr

from heliograph_common.blobs import keys
from heliograph_common.blobs.minio import MULTIPART_BYTES, PART_BYTES, MinioBlobs
from heliograph_common.blobs.pools import CONNECT_SECONDS
from heliograph_common.blobs.port import Blobs
from heliograph_common.errors import BlobsUnavailable, NotFound
from heliograph_common.ids import new_id
from heliograph_common.settings import S3Settings
from heliograph_common.testing.blobs import LyingBlobs, MemoryBlobs
from heliograph_local.testing import Bucket

pytestmark = pytest.mark.backends(fake="blobs")


@pytest.fixture
def s3_settings(bucket: Bucket) -> S3Settings:
    return S3Settings(
        endpoint=bucket.endpoint,
        access_key=bucket.access_key,
        secret_key=SecretStr(bucket.secret_key),
        bucket=bucket.bucket,
        region=bucket.region,
    )


@pytest.fixture
async def real(s3_settings: S3Settings) -> AsyncIterator[MinioBlobs]:
    blobs = MinioBlobs(s3_settings, multipart_bytes=PART_BYTES + 1)
    yield blobs
    await blobs.close()


@pytest.fixture
def blobs(request: pytest.FixtureRequest, backend: str) -> Blobs:
    found: Blobs = MemoryBlobs() if backend == "fake" else request.getfixturevalue("real")
    return found


@pytest.fixture
def prefix() -> str:
    """A folder of one test's own: the bucket is shared."""
    return f"test/{new_id()}/"


async def found(blobs: Blobs, prefix: str) -> list[str]:
    return [info.key async for info in blobs.list(prefix)]


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 100_000])
async def test_bytes_come_back(blobs: Blobs, prefix: str, content: bytes) -> None:
    await blobs.put(prefix + "a", content, content_type="image/jpeg")

    info = await blobs.head(prefix + "a")
    assert await blobs.get(prefix + "a") == content
    assert info is not None
    assert (info.key, info.size) == (prefix + "a", len(content))
    assert info.etag == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert abs((datetime.now(UTC) - info.modified).total_seconds()) < 60


@pytest.mark.parametrize("size", [0, 10, PART_BYTES, PART_BYTES + 2, 2 * PART_BYTES + 1])
async def test_files_come_back(blobs: Blobs, prefix: str, size: int) -> None:
    content = os.urandom(size)
    source, target = io.BytesIO(content), io.BytesIO()
    source.seek(size // 2)  # wherever it stands, all of it is meant
    await blobs.put(prefix + "a", source, length=size, content_type="image/png")

    assert await blobs.download_to(prefix + "a", target) == size
    assert target.getvalue() == content


async def test_a_download_that_is_not_taken_ends(blobs: Blobs, prefix: str) -> None:
    class Full(Exception):
        pass

    class Sink:
        def write(self, data: bytes, /) -> int:
            raise Full(len(data))

    await blobs.put(prefix + "a", io.BytesIO(os.urandom(3_000_000)), content_type="image/png")
    await blobs.put(prefix + "b", b"another", content_type="text/plain")
    with pytest.raises(Full):
        await blobs.download_to(prefix + "a", Sink())
    assert await blobs.get(prefix + "b") == b"another"


async def test_a_file_of_another_length_is_refused_and_nothing_written(blobs: Blobs, prefix: str) -> None:
    with pytest.raises(ValueError, match="3 bytes, not 4"):
        await blobs.put(prefix + "a", io.BytesIO(b"abc"), length=4, content_type="image/png")
    assert await blobs.head(prefix + "a") is None


async def test_a_second_put_replaces_the_first(blobs: Blobs, prefix: str) -> None:
    await blobs.put(prefix + "a", b"one", content_type="text/plain")
    await blobs.put(prefix + "a", b"two", content_type="text/plain")
    assert await blobs.get(prefix + "a") == b"two"
    assert await found(blobs, prefix) == [prefix + "a"]


async def test_what_is_not_there(blobs: Blobs, prefix: str) -> None:
    assert await blobs.head(prefix + "no") is None
    await blobs.delete(prefix + "no")
    with pytest.raises(NotFound):
        await blobs.get(prefix + "no")
    with pytest.raises(NotFound):
        await blobs.download_to(prefix + "no", io.BytesIO())
    with pytest.raises(NotFound):
        await blobs.presign_get(prefix + "no", expires_in=60)


async def test_list_has_what_is_under_the_prefix_until_it_is_deleted(blobs: Blobs, prefix: str) -> None:
    for name in ("b/2", "a", "b/1"):
        await blobs.put(prefix + name, b"x", content_type="text/plain")
    assert await found(blobs, prefix) == [prefix + "a", prefix + "b/1", prefix + "b/2"]
    assert await found(blobs, prefix + "b/") == [prefix + "b/1", prefix + "b/2"]

    await blobs.delete(prefix + "b/1")
    assert await found(blobs, prefix + "b/") == [prefix + "b/2"]


async def test_list_goes_on_after_a_key(blobs: Blobs, prefix: str) -> None:
    names = ["1", "1.1", "1.10", "1.2", "3/4/x.1", "3/4/x.10", "3/5/a", "A", "a"]
    for name in names:
        await blobs.put(prefix + name, b"x", content_type="text/plain")
    for at, name in enumerate(names):
        after = [info.key async for info in blobs.list(prefix, start_after=prefix + name)]
        assert after == [prefix + each for each in names[at + 1 :]]
    assert [info.key async for info in blobs.list(prefix, start_after=prefix + "1.5")] == [
        prefix + n for n in names[4:]
    ]
    assert [info.key async for info in blobs.list(prefix, start_after="zzz")] == []


async def test_ready_and_writable(blobs: Blobs) -> None:
    await blobs.ready()
    await blobs.writable()


async def test_a_signed_url_is_answered_with_type_and_name(real: MinioBlobs, prefix: str) -> None:
    await real.put(prefix + "a", b"pixels", content_type="application/octet-stream")
    url = await real.presign_get(prefix + "a", expires_in=60, content_type="image/webp", filename='a "b"/ü\r\n.webp')

    answer = await asyncio.to_thread(urllib3.request, "GET", url)
    assert (answer.status, answer.data) == (200, b"pixels")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''a%20%22b%22%2F%C3%BC%0D%0A.webp"
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["60"]
    refused = await asyncio.to_thread(urllib3.request, "GET", url.replace("Signature=", "Signature=0"))
    assert refused.status == 403


async def test_a_signed_put_takes_an_object(real: MinioBlobs, prefix: str) -> None:
    url = await real.presign_put(prefix + "a", expires_in=60)
    answer = await asyncio.to_thread(urllib3.request, "PUT", url, body=b"direct")
    assert answer.status == 200
    assert await real.get(prefix + "a") == b"direct"


async def test_signed_urls_are_made_for_the_public_address(s3_settings: S3Settings, prefix: str) -> None:
    settings = s3_settings.model_copy(update={"public_endpoint": "https://pictures.example.org"})
    blobs = MinioBlobs(settings)
    await blobs.put(prefix + "a", b"x", content_type="text/plain")
    url = await blobs.presign_get(prefix + "a", expires_in=60)
    await blobs.close()
    assert url.startswith(f"https://pictures.example.org/{settings.bucket}/{prefix}a?")


async def test_a_server_that_is_away_is_unavailable() -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        blobs = MinioBlobs(S3Settings(endpoint=endpoint, access_key="a", secret_key=SecretStr("s" * 8)))
        for call in (blobs.get("k"), blobs.ready(), blobs.put("k", io.BytesIO(b"x"), content_type="text/plain")):
            with pytest.raises(BlobsUnavailable, match="check the S3 endpoint") as caught:
                await call
            assert "X-Amz" not in str(caught.value)
        await blobs.close()


async def test_a_server_that_stops_reading_for_a_while_gets_the_file_all_the_same(prefix: str) -> None:
    size = 20_000_000  # more than the sockets' buffers take
    received = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received = 0
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(CONNECT_SECONDS + 1)  # slower than a connection may be
        while received < size and (chunk := await reader.read(1_000_000)):
            received += len(chunk)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0, limit=4096)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    blobs = MinioBlobs(S3Settings(endpoint=endpoint, access_key="a", secret_key=SecretStr("s" * 8)))
    await blobs.put(prefix + "a", io.BytesIO(bytes(size)), content_type="image/png")
    assert received == size
    await blobs.close()
    server.close()


async def test_wrong_keys_name_the_remedy(s3_settings: S3Settings) -> None:
    blobs = MinioBlobs(s3_settings.model_copy(update={"secret_key": SecretStr("wrong" * 8)}))
    for source in (b"x", io.BytesIO(b"x")):
        with pytest.raises(BlobsUnavailable, match="SignatureDoesNotMatch; check bucket and credentials"):
            await blobs.put("k", source, content_type="text/plain")
    await blobs.close()


async def test_the_bucket_is_made_once(s3_settings: S3Settings) -> None:
    blobs = MinioBlobs(s3_settings.model_copy(update={"bucket": f"made-{new_id()}"}))
    assert await blobs.ensure_bucket() is True
    assert await blobs.ensure_bucket() is False
    await blobs.ready()
    await blobs.close()


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://s3", "https://s3.example.org/base"])
def test_an_endpoint_that_cannot_work_is_refused_at_start(endpoint: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        MinioBlobs(S3Settings(endpoint=endpoint))


def test_missing_keys_are_refused_at_start() -> None:
    with pytest.raises(ValueError, match="HELIOGRAPH_S3__ACCESS_KEY"):
        MinioBlobs(S3Settings())


_PUTS_AT_ONCE = """
import asyncio, re, sys, tempfile
from pathlib import Path
from heliograph_common.blobs import pools
pools.READ_SECONDS = 120.0  # memory is measured here, not how long a disk that others use takes for 1 GB
from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.settings import S3Settings

def kib(field: str) -> int:  # not ru_maxrss, which begins with that of the parent
    return int(re.search(rf"{field}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

async def main() -> None:
    blobs = MinioBlobs(S3Settings.model_validate_json(sys.stdin.read()), multipart_bytes=int(sys.argv[1]))
    await blobs.put(sys.argv[2], b"warm", content_type="text/plain")
    with tempfile.TemporaryFile() as file:
        file.truncate(50_000_000)
        before = kib("VmRSS")
        copies = [open(f"/proc/self/fd/{file.fileno()}", "rb") for _ in range(int(sys.argv[3]))]  # an own position each
        await asyncio.gather(*(
            blobs.put(f"{sys.argv[2]}{n}", copy, content_type="image/png") for n, copy in enumerate(copies)
        ))
        print((kib("VmHWM") - before) // 1024)
    await blobs.close()

asyncio.run(main())
"""


@pytest.mark.backends("embedded")  # it measures the client; a container takes 1 GB more slowly than it waits for
@pytest.mark.parametrize(
    ("multipart_bytes", "puts"), [(MULTIPART_BYTES, 20), (PART_BYTES, 8)], ids=["streamed", "parts"]
)
@pytest.mark.unmeasured
async def test_puts_of_50_mb_at_once_stay_flat(
    real: MinioBlobs, s3_settings: S3Settings, prefix: str, multipart_bytes: int, puts: int
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PUTS_AT_ONCE,
        str(multipart_bytes),
        prefix,
        str(puts),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    secret = s3_settings.secret_key.get_secret_value()
    settings = s3_settings.model_dump_json(exclude={"secret_key"})[:-1] + f',"secret_key":"{secret}"}}'
    output, _ = await child.communicate(settings.encode())

    assert child.returncode == 0
    assert int(output) < 60  # MiB
    await real.delete(prefix)
    keys_found = await found(real, prefix)
    assert len(keys_found) == puts
    for key in keys_found:
        info = await real.head(key)
        assert info is not None
        assert info.size == 50_000_000
        await real.delete(key)


async def test_the_liar_does_what_it_reports_as_failed() -> None:
    inner = MemoryBlobs()
    blobs: Blobs = LyingBlobs(inner, lies=lambda operation, key: (operation, key) == ("put", "a"))
    with pytest.raises(BlobsUnavailable):
        await blobs.put("a", b"x", content_type="text/plain")
    await blobs.put("b", b"x", content_type="text/plain")
    assert await found(blobs, "") == ["a", "b"]


async def test_the_fake_can_be_down() -> None:
    blobs = MemoryBlobs()
    blobs.down = True
    with pytest.raises(BlobsUnavailable):
        await blobs.ready()


def test_incarnations_of_keys() -> None:
    sha = "5" * 64
    for base in (keys.original(sha), keys.rendition(sha, "3", "1080x1920-0a1b2c3d.jpg")):
        assert [keys.incarnation(base, number) for number in (0, 1, 12)] == [base, f"{base}.1", f"{base}.12"]
        assert [keys.split(keys.incarnation(base, number)) for number in (0, 1, 12)] == [
            (base, 0),
            (base, 1),
            (base, 12),
        ]
        assert {keys.content_of(keys.incarnation(base, number)) for number in (0, 3)} == {sha}
    assert keys.original(sha, 2) == f"originals/{sha}.2"
    assert keys.content_of(keys.renditions(sha)) == sha
    assert keys.content_of(f"uploads/{new_id()}/file") is None
    with pytest.raises(ValueError, match="must not end in a number"):
        keys.rendition(sha, "3", "w300.5")


def test_keys() -> None:
    sha = "0" * 64
    assert keys.original(sha) == f"originals/{sha}"
    assert keys.rendition(sha, "3", "w300.webp") == f"renditions/{sha}/3/w300.webp"
    assert keys.rendition(sha, "3", "w300.webp").startswith(keys.renditions(sha))


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a\n", "a b", "x" * 129])
def test_names_that_could_leave_their_folder_are_no_keys(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be part"):
        keys.rendition("0" * 64, "3", name)
