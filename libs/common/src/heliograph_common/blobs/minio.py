"""``Blobs`` over any S3 by minio-py, which is synchronous: calls run in threads of our own, as many as connections.

Files up to ``multipart_bytes`` go as one presigned PUT that urllib3 streams from the file: minio's ``put_object`` reads
whole parts into memory and hashes them (50 MB cost 70 ms of CPU against 18 ms). Larger files go in parts through
minio, few at a time, because each holds two parts. Uses put, get, head, delete, list, multipart and presign only.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, urlsplit

import urllib3
import urllib3.connection
from minio import Minio
from minio.datatypes import Object
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from heliograph_common.blobs.port import BlobInfo, Sink
from heliograph_common.errors import BlobsUnavailable, NotFound
from heliograph_common.settings import S3Settings
from heliograph_common.telemetry import spans

CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0
PART_BYTES = 5 * 1024 * 1024
"""The least that S3 allows."""
MULTIPART_BYTES = 64 * 1024 * 1024
MULTIPART_AT_ONCE = 4
READY_KEY = ".heliograph/ready"

_BLOCK_BYTES = 256 * 1024
_PUT_URL_SECONDS = 300
_PAGE = 1000
_MISSING = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
_REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"})

_Result = TypeVar("_Result")


class MinioBlobs:
    """One bucket of an S3 store. See ``port.Blobs`` for its methods. Making it needs no network, and raises
    ``ValueError`` for settings that cannot work."""

    def __init__(self, settings: S3Settings, *, multipart_bytes: int = MULTIPART_BYTES) -> None:
        self._bucket = settings.bucket
        self._multipart_bytes = multipart_bytes
        self._http = _Pools(
            num_pools=2,
            maxsize=settings.connections,
            blocksize=_BLOCK_BYTES,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=urllib3.Retry(
                total=2,
                read=1,
                redirect=0,
                backoff_factor=0.1,
                status_forcelist=(500, 502, 503, 504),
                raise_on_status=False,
                respect_retry_after_header=False,
            ),
        )
        self._client = _client(settings, settings.endpoint, self._http)
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
        await self._call("delete", key, lambda: self._client.remove_object(self._bucket, key))

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
            raise NotFound(f"there is no object {key}; it may still be in the making")
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
        await self.put(READY_KEY, b"ready", content_type="text/plain")

    async def ensure_bucket(self) -> bool:
        """Makes the bucket where it is not there, for ``provision``; says whether it was made."""
        return await self._call("create_bucket", self._bucket, self._make_bucket)

    async def close(self) -> None:
        """See ``Blobs.close``."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    async def _call(self, operation: str, key: str, function: Callable[[], _Result]) -> _Result:
        with spans.client_span("aws.s3", operation, {spans.S3_BUCKET: self._bucket, spans.S3_KEY: key}):
            return await asyncio.get_running_loop().run_in_executor(self._threads, _translated, key, function)

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
            raise S3Error.fromxml(answer) if answer.data else ServerError("no reason given", answer.status)

    def _put_parts(self, key: str, file: BinaryIO, size: int, content_type: str) -> None:
        file.seek(0)
        self._client.put_object(
            self._bucket, key, file, size, content_type, part_size=PART_BYTES, num_parallel_uploads=1
        )

    def _download(self, key: str, file: Sink) -> int:
        written = 0
        answer = self._client.get_object(self._bucket, key)
        try:
            for chunk in answer.stream(_BLOCK_BYTES):
                written += file.write(chunk)
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
            if error.code in _MISSING:
                return None
            raise


class _Connection(urllib3.connection.HTTPConnection):
    """urllib3 sends with the timeout of connecting, so that a busy server which takes no bytes for three seconds would
    break a large upload; this sends with that of reading."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _SecureConnection(urllib3.connection.HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Pools(urllib3.PoolManager):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


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


def _size(file: BinaryIO) -> int:
    return file.seek(0, io.SEEK_END)


def _info(item: Object) -> BlobInfo:
    return BlobInfo(
        key=item.object_name or "",
        size=item.size or 0,
        etag=(item.etag or "").strip('"'),
        modified=item.last_modified or datetime.fromtimestamp(0, UTC),
    )


def _translated(key: str, function: Callable[[], _Result]) -> _Result:
    with _errors(key):
        return function()


@contextmanager
def _errors(key: str) -> Iterator[None]:
    """Turns minio's and urllib3's errors into ours, without the signed URLs that theirs quote."""
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise NotFound(f"there is no object {key}") from error
        remedy = "check bucket and credentials" if error.code in _REFUSED else "look at the S3 server"
        raise BlobsUnavailable(f"the object store refused {key} with {error.code}; {remedy}") from error
    except (ServerError, InvalidResponseError, MinioException) as error:
        raise BlobsUnavailable(f"the object store failed on {key}; look at the S3 server") from error
    except urllib3.exceptions.HTTPError as error:
        kind = type(getattr(error, "reason", None) or error).__name__
        raise BlobsUnavailable(f"the object store cannot be reached ({kind}); look at the S3 endpoint") from error
