"""Fakes of the object store: one in memory, and one that lies about what a real one did (fault test 4)."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from heliograph_common.blobs.port import BlobInfo, Blobs, Sink
from heliograph_common.clock import Clock, utc_now
from heliograph_common.errors import BlobsUnavailable, BlobUnreadable, NotFound


@dataclass(frozen=True)
class _Stored:
    content: bytes
    content_type: str
    info: BlobInfo


class MemoryBlobs:
    """``Blobs`` in a dictionary. While ``down`` is set every call fails and does nothing; calls about a key in ``broken``
    fail for that object alone."""

    def __init__(self, now: Clock = utc_now) -> None:
        self.down = False
        self.broken: set[str] = set()
        self._now = now
        self._objects: dict[str, _Stored] = {}
        self._keys: list[str] = []  # in their order, so that a page costs the same however many there are

    async def put(self, key: str, source: bytes | BinaryIO, *, length: int | None = None, content_type: str) -> None:
        """See ``Blobs.put``."""
        self._check(key)
        if isinstance(source, bytes):
            content = source
        else:
            source.seek(0)
            content = source.read()
            if length is not None and length != len(content):
                raise ValueError(f"{key}: the file has {len(content)} bytes, not {length}")
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        info = BlobInfo(key=key, size=len(content), etag=etag, modified=self._now())
        if key not in self._objects:
            insort(self._keys, key)
        self._objects[key] = _Stored(content, content_type, info)

    async def get(self, key: str) -> bytes:
        """See ``Blobs.get``."""
        return self._stored(key).content

    async def download_to(self, key: str, file: Sink) -> int:
        """See ``Blobs.download_to``."""
        return file.write(self._stored(key).content)

    async def head(self, key: str) -> BlobInfo | None:
        """See ``Blobs.head``."""
        self._check(key)
        stored = self._objects.get(key)
        return stored.info if stored else None

    async def delete(self, key: str) -> None:
        """See ``Blobs.delete``."""
        self._check(key)
        if self._objects.pop(key, None) is not None:
            self._keys.remove(key)

    async def list(self, prefix: str, *, start_after: str = "") -> AsyncIterator[BlobInfo]:
        """See ``Blobs.list``."""
        self._check()
        at = max(bisect_left(self._keys, prefix), bisect_right(self._keys, start_after))
        while at < len(self._keys) and (key := self._keys[at]).startswith(prefix):
            yield self._objects[key].info
            at = bisect_right(self._keys, key)  # keys may have come and gone meanwhile

    async def presign_get(
        self, key: str, *, expires_in: int, content_type: str | None = None, filename: str | None = None
    ) -> str:
        """See ``Blobs.presign_get``; the URL works nowhere."""
        stored = self._stored(key)
        answer = f"type={quote(content_type or stored.content_type)}&filename={quote(filename or '')}"
        return f"memory://blobs/{quote(key)}?expires_in={expires_in}&{answer}"

    async def presign_put(self, key: str, *, expires_in: int) -> str:
        """See ``Blobs.presign_put``; the URL works nowhere."""
        return f"memory://blobs/{quote(key)}?expires_in={expires_in}&method=PUT"

    async def ready(self) -> None:
        """See ``Blobs.ready``."""
        self._check()

    async def writable(self) -> None:
        """See ``Blobs.writable``."""
        self._check()

    async def close(self) -> None:
        """See ``Blobs.close``."""

    def _stored(self, key: str) -> _Stored:
        self._check(key)
        if key not in self._objects:
            raise NotFound(f"object {key} does not exist")
        return self._objects[key]

    def _check(self, key: str = "") -> None:
        if self.down:
            raise BlobsUnavailable("the object store is down: the test says so")
        if key in self.broken:
            raise BlobUnreadable(f"{key} is broken: the test says so")


class LyingBlobs:
    """Another ``Blobs`` whose writes succeed and are then reported as failed where ``lies(operation, key)`` says so;
    ``operation`` is ``put`` or ``delete``. Reading is left alone."""

    def __init__(self, inner: Blobs, lies: Callable[[str, str], bool]) -> None:
        self._inner = inner
        self._lies = lies
        self.told = 0
        """How many writes were reported as failed."""
        self.get = inner.get
        self.download_to = inner.download_to
        self.head = inner.head
        self.list = inner.list
        self.presign_get = inner.presign_get
        self.presign_put = inner.presign_put
        self.ready = inner.ready
        self.writable = inner.writable
        self.close = inner.close

    async def put(self, key: str, source: bytes | BinaryIO, *, length: int | None = None, content_type: str) -> None:
        """See ``Blobs.put``."""
        await self._inner.put(key, source, length=length, content_type=content_type)
        self._report("put", key)

    async def delete(self, key: str) -> None:
        """See ``Blobs.delete``."""
        await self._inner.delete(key)
        self._report("delete", key)

    def _report(self, operation: str, key: str) -> None:
        if self._lies(operation, key):
            self.told += 1
            raise BlobsUnavailable(f"{operation} of {key} timed out after it was done: the test says so")
