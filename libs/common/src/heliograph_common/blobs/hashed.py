"""A sink that knows what went through it: whether an object is still what was stored shows in its SHA-256."""

from __future__ import annotations

import hashlib

from heliograph_common.blobs.port import Sink


class Hashed:
    """Passes bytes on to ``sink`` and hashes them, in the thread of the download."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, data: bytes, /) -> int:
        """See ``Sink.write``."""
        self._hash.update(data)
        return self._sink.write(data)
