"""One file as a ``multipart/form-data`` body (RFC 7578), streamed, for routes that take the file's name that way."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

from heliograph_client.body import Body

_ESCAPED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})  # as browsers write them (WHATWG HTML, 4.10.21.8)


class Form:
    """What ``Body`` is, inside a form. ``name`` is used in place of the file's own."""

    def __init__(self, file: Body, name: str | None = None) -> None:
        boundary = secrets.token_hex(16)
        shown = (name or file.name or "").translate(_ESCAPED)
        self._file = file
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{shown}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.repeatable = file.repeatable
        self.size = None if file.size is None else file.size + len(self._head) + len(self._tail)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The whole form from its start."""
        yield self._head
        async for chunk in self._file.chunks():
            yield chunk
        yield self._tail
