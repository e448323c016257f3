"""Finds the metadata blocks of an original (Exif, ICC profile, Adobe marker) and tells them from its pixels.

Walks containers only, decodes nothing; a damaged container yields what
came before the damage. Left out: what the blocks mean (``exif``, ``colour``).
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass

Buffer = bytes | bytearray | memoryview | mmap.mmap

_ICC_BYTES = 8 << 20
_START_OF_SCAN = b"\xff\xda"
_PNG_METADATA = {b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf", b"pHYs"}
_WEBP_METADATA = {b"EXIF", b"XMP "}


@dataclass(frozen=True, slots=True)
class JpegBlocks:
    """What a JPEG carries beside its pixels: the Exif block from its TIFF header on, the joined ICC profile."""

    exif: bytes | None
    profile: bytes | None
    adobe: bool


def jpeg_blocks(data: Buffer) -> JpegBlocks:
    """Metadata of a JPEG up to its first scan; of several Exif blocks the first."""
    exif: bytes | None = None
    adobe, size = False, 0
    chunks: dict[int, bytes] = {}
    for marker, start, end in _jpeg_segments(data):
        if marker == 0xE1 and exif is None and bytes(data[start : start + 6]) == b"Exif\0\0":
            exif = bytes(data[start + 6 : end])
        elif marker == 0xE2 and bytes(data[start : start + 12]) == b"ICC_PROFILE\0" and size <= _ICC_BYTES:
            chunks.setdefault(data[start + 12], bytes(data[start + 14 : end]))
            size += end - start
        elif marker == 0xEE and bytes(data[start : start + 5]) == b"Adobe":
            adobe = True
    profile = b"".join(chunks[number] for number in sorted(chunks)) or None
    return JpegBlocks(exif, profile, adobe)


def jpeg_scans(data: Buffer, most: int) -> int:
    """The number of scans of a JPEG, counted up to ``most`` + 1. Within a scan 0xFF is always followed by zero or a
    restart marker (ITU-T T.81, B.1.1.5), so the bytes of a start-of-scan marker stand for nothing else."""
    haystack = bytes(data) if isinstance(data, memoryview) else data
    at, count = haystack.find(_START_OF_SCAN), 0
    while at >= 0 and count <= most:
        count += 1
        at = haystack.find(_START_OF_SCAN, at + 2)
    return count


def pixel_hash(data: Buffer, mime_type: str, orientation: int) -> str:
    """SHA-256 over those bytes of the file that decide its pixels, and its orientation.

    Two files that differ in Exif, XMP, comments or text only hash alike; decoding is not involved, so that no library
    version or configured size changes the hash. A picture encoded again hashes differently: ``phash`` is for that.
    """
    digest = hashlib.sha256(bytes([orientation]))
    view = memoryview(data)
    for start, end in _pixel_parts(view, mime_type):
        digest.update(view[start:end])
    return digest.hexdigest()


def _pixel_parts(view: memoryview, mime_type: str) -> Iterator[tuple[int, int]]:
    if mime_type == "image/jpeg":
        last = 2
        for marker, start, end in _jpeg_segments(view):
            last = end
            colour = marker == 0xEE or (marker == 0xE2 and bytes(view[start : start + 12]) == b"ICC_PROFILE\0")
            if colour or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
                yield start - 4, end
        yield last, len(view)
    elif mime_type == "image/png":
        yield from _chunks(view, 8, ">I4s", 4, _PNG_METADATA)
    elif mime_type == "image/webp":
        yield from _chunks(view, 12, "<4sI", 0, _WEBP_METADATA)
    else:
        yield 0, len(view)


def _chunks(view: memoryview, at: int, head: str, tail: int, skipped: set[bytes]) -> Iterator[tuple[int, int]]:
    """Ranges of the chunks whose kind is not ``skipped``; ``tail`` is the checksum's length."""
    while at + 8 <= len(view):
        first, second = struct.unpack_from(head, view, at)
        kind, size = (second, first) if isinstance(second, bytes) else (first, second)
        padding = 0 if tail else size & 1
        end = min(at + 8 + size + tail + padding, len(view))
        # VP8X tells by flags which metadata follow: only its size counts.
        if kind == b"VP8X":
            yield at + 12, end
        elif kind not in skipped:
            yield at, end
        at = end


def _jpeg_segments(data: Buffer) -> Iterator[tuple[int, int, int]]:
    """(marker, start of payload, end) of the segments before the first scan."""
    at, end = 2, len(data)
    while at + 4 <= end and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        elif marker in {0xD9, 0xDA}:
            return
        else:
            stop = at + 2 + max(data[at + 2] << 8 | data[at + 3], 2)
            yield marker, at + 4, min(stop, end)
            at = stop
