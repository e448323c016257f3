"""``Blobs`` over any S3 by minio-py, which is synchronous: calls run in threads of our own, as many as connections.

Files up to ``multipart_bytes`` go as one presigned PUT that urllib3 streams from the file: minio's ``put_object`` reads
whole parts into memory and hashes them (50 MB cost 70 ms of CPU against 18 ms). Larger files go in parts through
minio, few at a time, because each holds two parts. Uses put, get, head, delete, list, multipart and presign only.

Where an error may be that of one object alone (``s3_errors``), the server is asked for something else first: only if it
gives that, ``BlobUnreadable`` is raised. After a write it must take one: a full disk still reads.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import BinaryIO, TypeVar
from urllib.parse import quote, urlsplit

import urllib3
from minio import Minio
from minio.datatypes import Object
from minio.error import MinioException, S3Error

from heliograph_common.blobs import s3_errors
from heliograph_common.blobs.pools import CONNECT_SECONDS, READ_SECONDS, Pools, Retries
from heliograph_common.blobs.port import BlobInfo, Sink
from heliograph_common.errors import BlobsUnavailable, BlobUnreadable, NotFound
from heliograph_common.settings import S3Settings
from heliograph_common.telemetry import spans

DOWNLOAD_SECONDS = 300.0
"""The longest that a download may take: one that trickles would otherwise never end."""
BRIEF_SECONDS = 5.0
"""For an answer to what has no bytes to send and is tried once: deletions and probes."""
PART_BYTES = 5 * 1024 * 1024
"""The least that S3 allows."""
MULTIPART_BYTES = 64 * 1024 * 1024
MULTIPART_AT_ONCE = 4
READY_KEY = ".heliograph/ready"

_BLOCK_BYTES = 256 * 1024
_PUT_URL_SECONDS = 300
_PAGE = 1000

_Result = TypeVar("_Result")


class MinioBlobs:
    """One bucket of an S3 store. See ``port.Blobs`` for its methods. Making it needs no network, and raises
    ``ValueError`` for settings that cannot work."""

    def __init__(self, settings: S3Settings, *, multipart_bytes: int = MULTIPART_BYTES) -> None:
        self._bucket = settings.bucket
        self._multipart_bytes = multipart_bytes
        self._http = Pools(
            num_pools=2,
            maxsize=settings.connections,
            blocksize=_BLOCK_BYTES,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=Retries(
                total=2,
                read=1,
                redirect=0,
                backoff_factor=0.1,
                status_forcelist=(500, 502, 503, 504),
                raise_on_status=False,
                respect_retry_after_header=False,
            ),
        )
        once = urllib3.Timeout(connect=CONNECT_SECONDS, read=BRIEF_SECONDS)
        self._http_once = Pools(num_pools=1, maxsize=settings.connections, timeout=once, retries=False)
        self._client = _client(settings, settings.endpoint, self._http)
        self._brief = _client(settings, settings.endpoint, self._http_once)
        self._signer = _client(settings, settings.public_endpoint or settings.endpoint, self._http)
        self._threads = ThreadPoolExecutor(settings.connections, thread_name_prefix="blobs")
        self._multiparts = asyncio.Semaphore(MULTIPART_AT_ONCE)

    async def put(self, key: str, source: bytes | BinaryIO, *, length: int | None = None, content_type: str) -> None:
        """See ``Blobs.put``."""
        if isinstance(source, bytes):
            content = source  # in memory already: always one request
            await self._call("put", key, lambda: self._put_stream(key, io.BytesIO(content), len(content), content_type))
            return
        file = source
        size = await asyncio.to_thread(_size, file)
        if length is not None and length != size:
            raise ValueError(f"{key}: the file has {size} bytes, not {length}")
        if size <= self._multipart_bytes:
            await self._call("put", key, lambda: self._put_stream(key, file, size, content_type))
            return
        async with self._multiparts:
            await self._call("put", key, lambda: self._put_parts(key, file, size, content_type))

    async def get(self, key: str) -> bytes:
        """See ``Blobs.get``."""
        buffer = io.BytesIO()
        await self._call("get", key, lambda: self._download(key, buffer))
        return buffer.getvalue()

    async def download_to(self, key: str, file: Sink) -> int:
        """See ``Blobs.download_to``."""
        return await self._call("get", key, lambda: self._download(key, file))

    async def head(self, key: str) -> BlobInfo | None:
        """See ``Blobs.head``."""
        return await self._call("head", key, lambda: self._head(key))

    async def delete(self, key: str) -> None:
        """See ``Blobs.delete``."""
        await self._call("delete", key, lambda: self._brief.remove_object(self._bucket, key))

    async def list(self, prefix: str, *, start_after: str = "") -> AsyncIterator[BlobInfo]:
        """See ``Blobs.list``."""
        found = self._client.list_objects(self._bucket, prefix=prefix, recursive=True, start_after=start_after or None)
        while page := await self._call("list", prefix, lambda: list(islice(found, _PAGE))):
            for item in page:
                yield _info(item)

    async def presign_get(
        self, key: str, *, expires_in: int, content_type: str | None = None, filename: str | None = None
    ) -> str:
        """See ``Blobs.presign_get``."""
        if await self.head(key) is None:
            raise NotFound(f"object {key} does not exist; it may still be written")
        answer: dict[str, str | list[str] | tuple[str]] = {}
        if content_type:
            answer["response-content-type"] = content_type
        if filename:
            answer["response-content-disposition"] = f"inline; filename*=UTF-8''{quote(filename, safe='')}"
        return self._signer.get_presigned_url(
            "GET", self._bucket, key, timedelta(seconds=expires_in), response_headers=answer
        )

    async def presign_put(self, key: str, *, expires_in: int) -> str:
        """See ``Blobs.presign_put``."""
        return self._signer.get_presigned_url("PUT", self._bucket, key, timedelta(seconds=expires_in))

    async def ready(self) -> None:
        """See ``Blobs.ready``."""
        await self._call("ready", self._bucket, lambda: self._probe("get"))

    async def writable(self) -> None:
        """See ``Blobs.writable``."""
        await self._call("put", READY_KEY, lambda: self._probe("put"))

    async def ensure_bucket(self) -> bool:
        """Makes the bucket where it is not there, for ``provision``; says whether it was made."""
        return await self._call("create_bucket", self._bucket, self._make_bucket)

    async def close(self) -> None:
        """See ``Blobs.close``."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.clear()
        self._http_once.clear()

    async def _call(self, operation: str, key: str, function: Callable[[], _Result]) -> _Result:
        with spans.client_span("aws.s3", operation, {spans.S3_BUCKET: self._bucket, spans.S3_KEY: key}):
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._translated, operation, key, function
            )

    def _translated(self, operation: str, key: str, function: Callable[[], _Result]) -> _Result:
        try:
            return function()
        except (MinioException, urllib3.exceptions.HTTPError) as error:
            meaning = s3_errors.translated(error, key)
            if isinstance(meaning, BlobUnreadable):
                self._probe(operation)
            raise meaning from error

    def _probe(self, operation: str) -> None:
        """Does something harmless of the kind of ``operation``, once.

        Raises:
            BlobsUnavailable: it fails, so it is the server that cannot be used.
        """
        writes = operation in {"put", "delete"}
        try:
            if writes:
                self._brief.put_object(self._bucket, READY_KEY, io.BytesIO(b"ready"), 5, "text/plain")
            elif not self._brief.bucket_exists(self._bucket):
                raise BlobsUnavailable(f"the object store has no bucket {self._bucket}; provision it")
        except (MinioException, urllib3.exceptions.HTTPError) as error:
            meaning = s3_errors.translated(error, READY_KEY if writes else self._bucket)
            if isinstance(meaning, BlobsUnavailable):
                raise meaning from error
            reason = "takes no objects" if writes else f"does not show the bucket {self._bucket}"
            raise BlobsUnavailable(f"the object store {reason}; check bucket, credentials and disk") from error

    def _make_bucket(self) -> bool:
        if self._client.bucket_exists(self._bucket):
            return False
        self._client.make_bucket(self._bucket)
        return True

    def _put_stream(self, key: str, file: BinaryIO, size: int, content_type: str) -> None:
        url = self._client.get_presigned_url("PUT", self._bucket, key, timedelta(seconds=_PUT_URL_SECONDS))
        file.seek(0)
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        answer = self._http.request("PUT", url, body=file if size else b"", headers=headers)
        if answer.status != 200:
            raise s3_errors.failure(answer)

    def _put_parts(self, key: str, file: BinaryIO, size: int, content_type: str) -> None:
        file.seek(0)
        self._client.put_object(
            self._bucket, key, file, size, content_type, part_size=PART_BYTES, num_parallel_uploads=1
        )

    def _download(self, key: str, file: Sink) -> int:
        written = 0
        deadline = time.monotonic() + DOWNLOAD_SECONDS
        answer = self._client.get_object(self._bucket, key)
        try:
            for chunk in answer.stream(_BLOCK_BYTES):
                written += file.write(chunk)
                _check_body(time.monotonic() <= deadline, f"is not all there after {DOWNLOAD_SECONDS:g} s")
            _check_body(written == int(answer.headers.get("Content-Length", written)), "ended early")
        except BaseException:
            answer.close()  # the rest of the body must not be taken for the next answer
            raise
        finally:
            answer.release_conn()
        return written

    def _head(self, key: str) -> BlobInfo | None:
        try:
            return _info(self._client.stat_object(self._bucket, key))
        except S3Error as error:
            if error.code in s3_errors.MISSING:
                return None
            raise


def _client(settings: S3Settings, endpoint: str, http: urllib3.PoolManager) -> Minio:
    address = urlsplit(endpoint)
    if address.scheme not in {"http", "https"} or not address.netloc or address.path.strip("/"):
        raise ValueError(f"S3 endpoint {endpoint!r} must look like https://host:port, without a path")
    if not settings.access_key or not settings.secret_key.get_secret_value():
        raise ValueError("S3 needs keys: set HELIOGRAPH_S3__ACCESS_KEY and HELIOGRAPH_S3__SECRET_KEY, or …_FILE")
    return Minio(
        address.netloc,
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        secure=address.scheme == "https",
        region=settings.region,
        http_client=http,
    )


def _check_body(good: bool, otherwise: str) -> None:
    if not good:
        raise urllib3.exceptions.ProtocolError(f"the body {otherwise}")


def _size(file: BinaryIO) -> int:
    return file.seek(0, io.SEEK_END)


def _info(item: Object) -> BlobInfo:
    return BlobInfo(
        key=item.object_name or "",
        size=item.size or 0,
        etag=(item.etag or "").strip('"'),
        modified=item.last_modified or datetime.fromtimestamp(0, UTC),
    )
