"""Hostile headers: every structure that a format lets repeat, repeated until the file has the wanted size.

Made by code, one at a time, so that none is kept in the tree or in memory. ``sound`` are pictures with as many parts as
real ones of that size have: they must pass.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.corpus import pictures

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Repeat:
    """One such file; ``make(size)`` gives about ``size`` bytes."""

    name: str
    make: Callable[[int], bytes]


def _repeat(name: str, head: bytes, unit: bytes) -> Repeat:
    return Repeat(name, lambda size: head + unit * (size // len(unit)))


# --- GIF ------------------------------------------------------------------------------------------------------------

_GIF = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0, 0, 0)
_CONTROL = b"\x21\xf9\x04\0\0\0\0\0"
_FRAME = b"," + struct.pack("<HHHHB", 0, 0, 10, 10, 0) + b"\x02"
_FULL = b"\xff" + b"x" * 255

_GIFS = [
    _repeat("gif empty extensions", _GIF, b"\x21\xfe\0"),
    _repeat("gif extensions of a byte", _GIF, b"\x21\xfe\1x\0"),
    _repeat("gif sub-blocks of a byte", _GIF + b"\x21\xfe", b"\1x"),
    _repeat("gif sub-blocks of a byte in a frame", _GIF + _FRAME, b"\1x"),
    _repeat("gif empty frames", _GIF, _FRAME + b"\0"),
    _repeat("gif frames with extensions", _GIF, 3 * _CONTROL + b"\x21\xfe\1x\0" + _FRAME + b"\1x\0"),
]

# --- JPEG -----------------------------------------------------------------------------------------------------------

_SOI = b"\xff\xd8"
_JPEGS = [
    _repeat("jpeg fill bytes", _SOI, b"\xff"),
    _repeat("jpeg fill bytes and empty segments", _SOI, b"\xff" * 60 + b"\xe0\0\2"),
    _repeat("jpeg long runs of fill bytes", _SOI, b"\xff" * 65_000 + b"\xe0\0\2"),
    _repeat("jpeg restart markers", _SOI + b"\xff", b"\xd0\xff"),
    _repeat("jpeg empty comments", _SOI, pictures.jpeg_segment(0xFE, b"")),
    _repeat("jpeg comments of a byte", _SOI, pictures.jpeg_segment(0xFE, b"x")),
    _repeat("jpeg segments without a length", _SOI, b"\xff\xe5\0\0"),
    _repeat("jpeg app1 that is no exif", _SOI, pictures.jpeg_segment(0xE1, bytes(20))),
    _repeat("jpeg exif segments", _SOI, pictures.jpeg_segment(0xE1, b"Exif\0\0" + pictures.exif(6))),
    _repeat("jpeg large segments", _SOI, pictures.jpeg_segment(0xE2, bytes(65_000))),
]

# --- PNG and WebP ---------------------------------------------------------------------------------------------------

_PNG = pictures.png_header(10, 10)
_FULL_EXIF = b"MM\0\x2a\0\0\0\x08\xff\xff" + bytes(262_000)
_PNGS = [
    *(_repeat(f"png text of {size} bytes", _PNG, pictures.chunk(b"tEXt", bytes(size))) for size in (0, 1, 4_000)),
    _repeat("png animation controls", _PNG, pictures.chunk(b"acTL", b"")),
    _repeat("png exif chunks", _PNG, pictures.chunk(b"eXIf", _FULL_EXIF)),
]


def _riff(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data


_WEBP = b"RIFF\xff\xff\xff\x7fWEBP" + _riff(b"VP8X", b"\x02\0\0\0" + b"\x0a\0\0" * 2)
_WEBPS = [
    *(_repeat(f"webp unknown chunks of {size} bytes", _WEBP, _riff(b"JUNK", bytes(size))) for size in (0, 2, 4_000)),
    _repeat("webp empty frames", _WEBP, _riff(b"ANMF", bytes(16))),
    _repeat("webp exif chunks", _WEBP, _riff(b"EXIF", _FULL_EXIF)),
]

# --- TIFF -----------------------------------------------------------------------------------------------------------


def _directories(
    entries: int, *, big: bool = False, stride: int = 0, backwards: bool = False
) -> Callable[[int], bytes]:
    """A chain of directories of ``entries`` each, one every ``stride`` bytes; no more than 30,000 of them."""
    count, word, head = ("Q", "Q", 16) if big else ("H", "I", 8)
    body = b"".join(
        struct.pack("<HH" + 2 * word, tag, 4, 1, 10) for tag in [256, 257, *range(1000, 1000 + entries - 2)]
    )
    length = struct.calcsize("<" + count) + len(body) + struct.calcsize("<" + word)
    step = max(stride, length)

    def make(size: int) -> bytes:
        number = min((size - head) // step, 30_000)
        offsets = [head + step * index for index in range(number)]
        if backwards:
            offsets = [offsets[0], *offsets[:0:-1]]
        data = bytearray(max(size, offsets[-1] + length))
        data[:head] = b"II" + (struct.pack("<HHHQ", 43, 8, 0, head) if big else struct.pack("<HI", 42, head))
        for at, following in zip(offsets, [*offsets[1:], 0], strict=True):
            data[at : at + length] = struct.pack("<" + count, entries) + body + struct.pack("<" + word, following)
        return bytes(data)

    return make


_TIFFS = [
    Repeat("tiff directories", _directories(2)),
    Repeat("tiff directories of 60 entries", _directories(60)),
    Repeat("tiff directories of 4096 entries", _directories(4096)),
    Repeat("tiff directories far apart", _directories(2, stride=4_500)),
    Repeat("tiff directories from back to front", _directories(2, stride=4_500, backwards=True)),
    Repeat("bigtiff directories", _directories(2, big=True)),
    Repeat("bigtiff directories of 4096 entries", _directories(4096, big=True)),
]

# --- AVIF and HEIC --------------------------------------------------------------------------------------------------


def _box(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data) + 8) + kind + data


_AVIF = _box(b"ftyp", b"avif\0\0\0\0avifmif1")
_META = 1_000_000  # the most that is read of a description


def _meta(data: bytes) -> Callable[[int], bytes]:
    """A description of ``data``, as often as it takes, and the rest of the file behind it."""
    return lambda size: _AVIF + _box(b"meta", bytes(4) + data * (_META // len(data))) + bytes(size - _META)


def _nested(size: int) -> bytes:
    levels = _META // 8
    boxes = b"".join(struct.pack(">I", (levels - level) * 8) + b"ipco" for level in range(levels))
    return _AVIF + _box(b"meta", bytes(4) + boxes) + bytes(size - _META)


_AVIFS = [
    _repeat("avif boxes", _AVIF, _box(b"free")),
    Repeat("avif boxes in the description", _meta(_box(b"free"))),
    Repeat("avif sizes in the description", _meta(_box(b"iprp", _box(b"ipco", _box(b"ispe", bytes(12)) * 20)))),
    Repeat("avif property boxes within each other", _nested),
]

HOSTILE = [*_GIFS, *_JPEGS, *_PNGS, *_WEBPS, *_TIFFS, *_AVIFS]
"""All of them."""


# --- what must pass -------------------------------------------------------------------------------------------------


def _animation(size: int) -> bytes:
    frame = _CONTROL + _FRAME + _FULL * 400 + b"\0"
    return _GIF + frame * (size // len(frame)) + b";"


def _metadata(size: int) -> bytes:
    """A progressive JPEG with Exif, and APPn segments for the rest."""
    large = pictures.jpeg_segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(60_000))
    turned = pictures.jpeg_segment(0xE1, b"Exif\0\0" + pictures.exif(6))
    return pictures.insert_segments(pictures.jpeg(interlace=True), turned, large * (size // len(large)))


def _one_frame(size: int) -> bytes:
    return _GIF + _FRAME + _FULL * (size // 256) + b"\0;"


def _texts(size: int) -> bytes:
    return _PNG + pictures.chunk(b"iTXt", bytes(size // 50)) * 50 + pictures.chunk(b"IDAT", b"")


def _pages(size: int) -> bytes:
    return _directories(20, stride=max(size // 1000, 500))(size)


SOUND = [
    Repeat("gif of one large frame", _one_frame),
    Repeat("gif animation", _animation),
    Repeat("jpeg with large metadata", _metadata),
    Repeat("tiff of many pages", _pages),
    Repeat("png with metadata", _texts),
]
