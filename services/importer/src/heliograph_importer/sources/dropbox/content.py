"""The content of a file as it comes: read in threads, a bounded piece at a time."""

from __future__ import annotations

import time
from contextlib import suppress

import requests

from heliograph_importer.sources.dropbox.threads import Threads
from heliograph_importer.sources.port import ProviderFailed

_CHUNK = 256 << 10
_PATIENCE = 1.0
"""Seconds after which a piece is handed on although it is not full."""


class Content:
    """Iterates over the pieces of ``response``, whose body has not been read. ``size``: how many bytes it must have."""

    def __init__(self, response: requests.Response, size: int | None, threads: Threads) -> None:
        self._response = response
        self._size = size
        self._threads = threads
        self._read = 0

    def __aiter__(self) -> Content:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._threads.run(self._piece)
        self._read += len(chunk)
        if self._size is not None and (self._read > self._size or (not chunk and self._read < self._size)):
            raise ProviderFailed(f"Dropbox sent {self._read} bytes of a file of {self._size}")
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def end(self) -> None:
        """Gives up what was not read. A thread that waits for the next packet is woken, and the connection is closed;
        if all was read, the connection has long been free."""
        with suppress(ValueError, RuntimeError, OSError):  # nobody reads it
            self._response.raw.shutdown()
        self._threads.later(self._response.close)

    def _piece(self) -> bytes:
        parts, size, deadline = [], 0, time.monotonic() + _PATIENCE
        while size < _CHUNK and (part := self._response.raw.read1(_CHUNK - size, decode_content=False)):
            parts.append(part)
            size += len(part)
            if time.monotonic() > deadline:
                break
        return b"".join(parts)


def length(response: requests.Response) -> int | None:
    """The size that the header tells."""
    told = response.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdecimal() else None
