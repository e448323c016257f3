"""What arrives of one tus request's body: counted, hashed and kept in a temporary file, never whole in memory.

A body that breaks off is no error here: what came of it counts.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from typing import BinaryIO, cast

from starlette.requests import ClientDisconnect

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import BODY_TIMEOUT, BODY_TOO_LARGE, TUS_CHECKSUM_MISMATCH
from heliograph_gateway.uploads.tus.headers import Checksum

_IN_MEMORY = 512 * 1024


class Body:
    """Use as a context manager: the temporary file goes with it. ``size`` is in bytes; ``cut`` is what broke the body off,
    where something did: the client hung up, or went silent."""

    file: BinaryIO

    def __init__(self, chunks: AsyncIterator[bytes], *, announced: int | None, checksum: Checksum | None) -> None:
        """``announced``: the bytes that are to come, where that is known."""
        self.announced = announced
        self.size = 0
        self.cut: ClientDisconnect | Problem | None = None
        self._chunks = chunks
        self._checksum = checksum

    def __enter__(self) -> Body:
        # SpooledTemporaryFile has all methods of a BinaryIO without being declared as one.
        self.file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    async def receive(self, room: int) -> None:
        """Reads all of it.

        Raises:
            Problem: it is longer than ``room`` bytes, or not what its checksum says.
            ClientDisconnect: it broke off, and for want of its end the checksum cannot be told.
        """
        if self.announced is not None and self.announced > room:
            raise beyond(room)
        running = self._checksum.hash() if self._checksum else None
        try:
            await self._read(room, running)
        except ClientDisconnect as gone:
            self.cut = gone
        except Problem as problem:
            if problem.kind is not BODY_TIMEOUT:
                raise
            self.cut = problem
        if running is not None and self._checksum is not None:
            self._verify(running.digest(), self._checksum)

    async def _read(self, room: int, running: hashlib._Hash | None) -> None:
        async for chunk in self._chunks:
            if self.size + len(chunk) > room:
                raise beyond(room)
            self.size += len(chunk)
            if running is not None:
                running.update(chunk)
            self.file.write(chunk)

    def _verify(self, digest: bytes, expected: Checksum) -> None:
        if self.cut:
            raise self.cut
        if digest != expected.digest:
            detail = f"The {expected.algorithm} of the body does not match `Upload-Checksum`. The body was discarded."
            raise Problem(TUS_CHECKSUM_MISMATCH, detail)

    def raise_if_lost(self) -> None:
        """Raises what cut the body off, where there is no one to answer, or nothing came of it."""
        if self.cut and (self.size == 0 or isinstance(self.cut, ClientDisconnect)):
            raise self.cut


def beyond(room: int) -> Problem:
    """A body that is longer than the ``room`` bytes that its upload has left."""
    return Problem(
        BODY_TOO_LARGE,
        f"Limit exceeded: the upload accepts {room:,} more bytes.",
        extra={"limit_bytes": room, "remedy": "Send at most `Upload-Length` minus `Upload-Offset` bytes."},
    )
