"""The pictures of a request: data URLs of JPEG of at most 1024 px, with a detail that is named; and what each costs."""

from __future__ import annotations

import binascii
import hashlib
import math
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from heliograph_local.doubles.openai.schema import InvalidRequest

LARGEST = 1024
_PREFIX = "data:image/jpeg;base64,"
_PATCH, _FACTOR, _LOW = 32, 1.2, 85  # tokens are counted by squares of 32 px: 1,229 for 1024 x 1024
_DETAILS = {"low", "high", "original"}
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 of ITU-T T.81, B.1.1.3
_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


@dataclass(frozen=True)
class Picture:
    """``digest`` is the SHA-256 of its bytes, as hexadecimal digits."""

    digest: str
    width: int
    height: int
    detail: str

    @property
    def tokens(self) -> int:
        """What it costs."""
        if self.detail == "low":
            return _LOW
        return round(math.ceil(self.width / _PATCH) * math.ceil(self.height / _PATCH) * _FACTOR)


def digest(content: bytes) -> str:
    """How a picture is named in calls and faults."""
    return hashlib.sha256(content).hexdigest()


def picture(url: Any, detail: Any, param: str) -> Picture:
    """The picture of one part of a request.

    Raises:
        InvalidRequest: it is none that Heliograph should send.
    """
    if not isinstance(url, str) or not url.startswith(_PREFIX):
        raise InvalidRequest(f"{param}: not a data URL of JPEG", param=param, code="invalid_image_url")
    if detail not in _DETAILS:
        raise InvalidRequest(f"{param}: the detail is not explicit: {detail!r}", param=param)
    try:
        content = b64decode(url.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise InvalidRequest(f"{param}: not valid base64: {error}", param=param, code="invalid_base64_image") from error
    size = jpeg_size(content)
    if size is None:
        raise InvalidRequest(f"{param}: not a valid JPEG", param=param, code="invalid_image_format")
    if max(size) > LARGEST:
        raise InvalidRequest(f"{param}: {size[0]} x {size[1]} px, more than {LARGEST}", param=param)
    return Picture(digest(content), *size, detail)


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height from the header, or ``None`` if it has none."""
    if not content.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker in _SIZES:
            height, width = (int.from_bytes(content[at + n : at + n + 2], "big") for n in (5, 7))
            return (width, height) if width and height else None
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None
