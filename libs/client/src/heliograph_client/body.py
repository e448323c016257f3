"""What an upload sends: a file, bytes or a stream, in chunks, counted as they go out.

Leaves out what the bytes are; the server decides that by their content.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from heliograph_client.errors import SourceChanged

CHUNK = 256 * 1024

Source = str | os.PathLike[str] | bytes | BinaryIO | AsyncIterable[bytes]
"""A path, the bytes themselves, an open binary file, or an asynchronous stream of chunks."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes sent and the bytes in all (``None`` when unknown); starts again when an upload is tried again."""


class Body:
    """``size`` is in bytes, ``None`` for a stream; ``repeatable``: ``chunks`` can be read from the start again."""

    def __init__(self, source: Source, on_progress: Progress | None = None) -> None:
        self._source = source
        self._on_progress = on_progress
        self._start = 0
        self.size: int | None = None
        self.repeatable = True
        self.content_type = "application/octet-stream"
        self.name: str | None = None
        if isinstance(source, bytes):
            self.size = len(source)
        elif isinstance(source, str | os.PathLike):
            self.size, self.name = Path(source).stat().st_size, Path(source).name
        elif isinstance(source, AsyncIterable):
            self.repeatable = False
        else:
            self._measure(source)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes from the start, ``CHUNK`` at a time; never more than ``size``, though a file may be growing.

        Raises:
            SourceChanged: there are fewer than ``size``.
        """
        sent = 0
        self._report(0)
        async for chunk in self._read():
            yield chunk
            sent += len(chunk)
            self._report(sent)
        if self.size is not None and sent < self.size:
            raise SourceChanged(f"{self.name or 'the file'} became shorter during the upload; upload it again")

    def _report(self, sent: int) -> None:
        if self._on_progress:
            self._on_progress(sent, self.size)

    def _measure(self, file: BinaryIO) -> None:
        self.repeatable = file.seekable()
        name = getattr(file, "name", None)
        self.name = Path(name).name if isinstance(name, str) else None
        if self.repeatable:
            self._start = file.tell()
            self.size = file.seek(0, os.SEEK_END) - self._start
            file.seek(self._start)

    async def _read(self) -> AsyncIterator[bytes]:
        source = self._source
        if isinstance(source, bytes):
            for at in range(0, len(source), CHUNK):
                yield source[at : at + CHUNK]
        elif isinstance(source, str | os.PathLike):
            with closing(await asyncio.to_thread(Path(source).open, "rb")) as file:
                async for chunk in _chunks_of(file, self.size):
                    yield chunk
        elif isinstance(source, AsyncIterable):
            async for chunk in source:
                yield chunk
        else:
            if self.repeatable:
                source.seek(self._start)
            async for chunk in _chunks_of(source, self.size):
                yield chunk


async def _chunks_of(file: BinaryIO, size: int | None) -> AsyncIterator[bytes]:
    left = size
    while left is None or left > 0:
        chunk = await asyncio.to_thread(file.read, CHUNK if left is None else min(CHUNK, left))
        if not chunk:
            return
        if left is not None:
            left -= len(chunk)
        yield chunk
