"""multipart/form-data (RFC 7578) as a stream of parts, each a stream of chunks; nothing is held but one chunk.

``uploads.py`` reads request bodies with it. python-multipart's low-level parser does the byte work; its form parser,
which writes whole files before anyone may refuse them, is not used. Caps on a part are its reader's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from heliograph_common.http.problems import Problem, sentence
from heliograph_gateway.http.problems import INVALID_MULTIPART

_MAX_HEADERS = 16
_MAX_HEADER_BYTES = 8 * 1024


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type header names.

    Raises:
        Problem: it names none.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Problem(INVALID_MULTIPART, "The `Content-Type` header has no boundary.")
    return boundary


@dataclass
class Part:
    """One part. ``filename`` is ``None`` for a plain field. ``chunks`` can be read once, before the next part."""

    name: str
    filename: str | None
    content_type: str
    chunks: AsyncIterator[bytes]


@dataclass
class _Headers:
    """The headers of the part that is being parsed."""

    values: dict[str, bytes] = field(default_factory=dict)
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)

    def end(self) -> None:
        self.values[self.name.decode("latin-1").lower()] = bytes(self.value)
        self.name.clear()
        self.value.clear()


class _End:
    """The end of a part, in the queue of what was parsed."""


_END = _End()


class MultipartReader:
    """Reads ``body``; iterate ``parts()`` once."""

    def __init__(self, body: AsyncIterator[bytes], boundary: bytes) -> None:
        self._body = body
        self._parsed: deque[_Headers | bytes | _End] = deque()
        self._headers = _Headers()
        self._broken: Problem | None = None
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._headers.name.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._headers.value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": lambda: self._parsed.append(self._headers),
                    "on_part_data": lambda data, start, end: self._parsed.append(data[start:end]),
                    "on_part_end": lambda: self._parsed.append(_END),
                },
                max_header_count=_MAX_HEADERS,
                max_header_size=_MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise Problem(INVALID_MULTIPART, sentence(str(error))) from error

    async def parts(self) -> AsyncGenerator[Part, None]:
        """The parts in their order. What a reader leaves of a part is skipped.

        Raises:
            Problem: the body is no multipart, or ends too early; parts before that were whole.
        """
        while (item := await self._next()) is not None:
            if not isinstance(item, _Headers):
                continue
            yield self._part(item)

    def _part(self, headers: _Headers) -> Part:
        disposition, options = parse_options_header(headers.values.get("content-disposition", b"").decode("latin-1"))
        if disposition != b"form-data" or b"name" not in options:
            raise Problem(INVALID_MULTIPART, 'A part lacks the header `Content-Disposition: form-data; name="…"`.')
        filename = options.get(b"filename")
        return Part(
            name=_text(options[b"name"]),
            filename=None if filename is None else _text(filename),
            content_type=headers.values.get("content-type", b"").decode("latin-1"),
            chunks=self._chunks(),
        )

    async def _chunks(self) -> AsyncIterator[bytes]:
        while isinstance(item := await self._next(), bytes):
            yield item
        if item is None:
            raise Problem(INVALID_MULTIPART, "The body ends in the middle of a part.")

    async def _next(self) -> _Headers | bytes | _End | None:
        """What was parsed next; ``None`` after the closing boundary."""
        while not self._parsed:
            if self._broken is not None:
                raise self._broken
            chunk = await anext(self._body, None)
            if chunk is None:
                if self._parser.state != MultipartState.END:
                    raise Problem(INVALID_MULTIPART, "The body ends before its closing boundary.")
                return None
            try:
                self._parser.write(chunk)
            except FormParserError as error:  # what was parsed of the chunk before that counts
                self._broken = Problem(INVALID_MULTIPART, sentence(f"the body does not match its boundary: {error}"))
        return self._parsed.popleft()

    def _begin(self) -> None:
        self._headers = _Headers()

    def _end_header(self) -> None:
        self._headers.end()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
