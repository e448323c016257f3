"""The fingerprint of a request, computed while its body is read; nothing of the body is kept.

A multipart body is told by its parts (RFC 7578): a client that builds it again draws another boundary.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header


class BodyDigest:
    """Takes a body piece by piece; ``content_type`` is the header of its request."""

    def __init__(self, content_type: str) -> None:
        self._hash = hashlib.sha256()
        essence, options = parse_options_header(content_type)
        self._parser: MultipartParser | None = None
        if essence == b"multipart/form-data" and options.get(b"boundary"):
            self._parser = _parser_of_parts(options[b"boundary"], self._hash)

    def write(self, chunk: bytes) -> None:
        """Adds the next piece."""
        if self._parser is not None:
            try:
                self._parser.write(chunk)
            except FormParserError:
                self._parser = None  # broken: from here on it is bytes like any others
        if self._parser is None:
            self._hash.update(chunk)

    def hexdigest(self) -> str:
        """SHA-256 of what was written, in hexadecimal."""
        return self._hash.hexdigest()


def fingerprint(method: str, path: str, query: bytes, body: str, headers: Sequence[tuple[str, str]] = ()) -> str:
    """SHA-256 over all that makes a request what it is: ``body`` is its digest, ``headers`` are those that count."""
    parts = [method, path, query.decode("latin-1"), body, *headers]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _parser_of_parts(boundary: bytes, whole: hashlib._Hash) -> MultipartParser | None:
    part = hashlib.sha256()

    def begin() -> None:
        nonlocal part
        part = hashlib.sha256()

    def add(data: bytes, start: int, end: int) -> None:
        part.update(data[start:end])

    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_header_field": add,
                "on_header_value": add,
                "on_header_end": lambda: part.update(b"\n"),
                "on_headers_finished": lambda: part.update(b"\n"),
                "on_part_data": add,
                "on_part_end": lambda: whole.update(part.digest()),
            },
        )
    except FormParserError:
        return None
