"""Reads an upload into a temporary file while counting and hashing it: never whole in memory, and nothing reaches the
object store before its type and size are known to be acceptable."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from heliograph_common.errors import ImageTooLarge
from heliograph_common.ingest.headers import Header
from heliograph_common.ingest.sniff import Limits, check, sniff_file
from heliograph_common.settings import LimitSettings

_IN_MEMORY = 512 * 1024
"""Bytes of an upload kept in memory before it moves to a file."""
_WALKS = ThreadPoolExecutor(2, thread_name_prefix="headers")
"""Where headers are walked: a hostile one costs 50 ms, which no event loop has. Few, because they share the interpreter."""


@dataclass(frozen=True)
class Spooled:
    """A received file: its bytes from position 0 of ``file``, ``size`` of them, their SHA-256 in hexadecimal and what
    its header says."""

    file: BinaryIO
    size: int
    sha256: str
    header: Header


def limits_of(settings: LimitSettings) -> Limits:
    """The caps as the header check takes them."""
    return Limits(max_bytes=settings.file_bytes, max_pixels=settings.pixels, max_frames=settings.frames)


class Spool:
    """Takes a file piece by piece; ``finish`` checks it. Use as a context manager: the temporary file goes with it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # SpooledTemporaryFile has all methods of a BinaryIO without being declared as one.
        self._file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 - see __exit__
        self._hash = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, chunk: bytes) -> int:
        """Adds the next piece and returns its length, as a file does: objects can be downloaded into it.

        Raises:
            ImageTooLarge: with it the file is over the cap; stop reading.
        """
        self._size += len(chunk)
        if self._size > self._limits.max_bytes:
            raise ImageTooLarge(
                f"the file exceeds the limit of {self._limits.max_bytes:,} bytes: "
                "save the image at a smaller size or ask an administrator to raise the limit"
            )
        self._hash.update(chunk)
        return self._file.write(chunk)

    async def finish(self) -> Spooled:
        """The whole file, checked by its header in another thread.

        Raises:
            RejectedImage: it is empty, no picture that we render, broken, or over a cap.
        """
        header = await asyncio.get_running_loop().run_in_executor(_WALKS, sniff_file, self._file)
        check(header, self._size, self._limits)
        self._file.seek(0)
        return Spooled(file=self._file, size=self._size, sha256=self._hash.hexdigest(), header=header)


@asynccontextmanager
async def spool(chunks: AsyncIterator[bytes], limits: Limits) -> AsyncIterator[Spooled]:
    """Reads all of ``chunks``. Raises as ``Spool.write`` and ``Spool.finish`` do."""
    with Spool(limits) as receiving:
        async for chunk in chunks:
            receiving.write(chunk)
        yield await receiving.finish()
