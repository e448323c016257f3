"""The port to the object store. ``minio.py`` is the real one, ``heliograph_common.testing.blobs`` its fake; one suite
(``tests/ports/test_blobs.py``) holds both to what is said here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class BlobInfo:
    """An object: its key, ``size`` in bytes, ``etag`` without quotes, and when it was written (UTC)."""

    key: str
    size: int
    etag: str
    modified: datetime


class Sink(Protocol):
    """Where a download goes: a file, or anything else that takes bytes in their order."""

    def write(self, data: bytes, /) -> int:
        """Takes the next bytes, all of them, and returns how many; called in a thread."""


class Blobs(Protocol):
    """Objects by key in one bucket. Every method raises ``BlobsUnavailable`` when the store cannot be used, and those that
    take a key or a prefix ``BlobUnreadable`` when the store can be used and fails on just that."""

    async def put(self, key: str, source: bytes | BinaryIO, *, length: int | None = None, content_type: str) -> None:
        """Writes an object, replacing what was there. A file is seekable, read from its start and ``length`` bytes
        long (``None``: all of it), and is streamed: memory does not grow with its size.

        Raises:
            ValueError: the file does not have ``length`` bytes.
        """

    async def get(self, key: str) -> bytes:
        """The whole object; for small ones.

        Raises:
            NotFound: there is no such object.
        """

    async def download_to(self, key: str, file: Sink) -> int:
        """Writes the object into ``file`` from where that stands and returns how many bytes; after an error the file
        holds a part. What the file's own ``write`` raises ends the download and passes as it is.

        Raises:
            NotFound: there is no such object.
            BlobUnreadable: it ends early, or cannot be read.
        """

    async def head(self, key: str) -> BlobInfo | None:
        """What is known of the object, ``None`` when there is none."""

    async def delete(self, key: str) -> None:
        """Removes the object; one that is not there is fine. Tried once: it may arrive after this has failed, or after
        whoever awaited it was cancelled."""

    def list(self, prefix: str, *, start_after: str = "") -> AsyncIterator[BlobInfo]:
        """All objects whose key begins with ``prefix`` and comes after ``start_after``, in the order of their keys (that of
        their code points). They are fetched as they are asked for, some at a time."""

    async def presign_get(
        self, key: str, *, expires_in: int, content_type: str | None = None, filename: str | None = None
    ) -> str:
        """A URL under which anyone may read the object for ``expires_in`` seconds (1 to 604,800), answered with
        ``content_type`` and offered under ``filename`` where given.

        Raises:
            NotFound: there is no such object; a URL that cannot work is not given out.
        """

    async def presign_put(self, key: str, *, expires_in: int) -> str:
        """A URL under which anyone may write the object for ``expires_in`` seconds (1 to 604,800)."""

    async def ready(self) -> None:
        """Returns when the store answers and knows the bucket; writes nothing."""

    async def writable(self) -> None:
        """Returns when the store takes a small object: it may answer long before it takes data."""

    async def close(self) -> None:
        """Gives connections and threads back."""
