"""Files that try to break an image pipeline, and what must become of each. Made by code, so none is kept in the tree.

``outcome`` is the name of the error that refuses the file, or ``render`` where it is to be rendered. ``by_header``
tells whether the header alone suffices for the refusal (the gateway answers at once), else only decoding finds it.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tests.corpus import pictures

BAD, UNSUPPORTED, TOO_LARGE, EMPTY, RENDER = "BadImage", "UnsupportedImage", "ImageTooLarge", "EmptyImage", "render"


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile file; ``data()`` makes its bytes."""

    name: str
    make: Callable[[], bytes]
    outcome: str
    by_header: bool = False

    def data(self) -> bytes:
        return _made(self)


@cache
def _made(case: Case) -> bytes:
    return case.make()


def cases() -> list[Case]:
    """All of them, in a stable order."""
    return [*_SIMPLE, *_POLYGLOTS, *_BOMBS, *_truncated(), *_garbage()]


def giant_jpeg() -> bytes:
    """A tiny JPEG whose frame header says 20,000 x 14,000."""
    return _patch_jpeg_size(pictures.jpeg(), 20_000, 14_000)


def lying_jpeg() -> bytes:
    """A 320 x 240 JPEG that claims 5,000 x 5,000: its data end early."""
    return _patch_jpeg_size(pictures.jpeg(), 5_000, 5_000)


def _patch_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def scan_flood() -> bytes:
    """A progressive JPEG whose last scan comes 2,000 times: each is a pass over all pixels."""
    data = pictures.jpeg(2000, 1500, interlace=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 2_000 + data[-2:]


def exif_flood() -> bytes:
    """60,000 Exif segments before the picture (a quadratic reader needs minutes)."""
    segment = pictures.jpeg_segment(0xE1, b"Exif\0\0" + pictures.exif(1) + bytes(40))
    return pictures.insert_segments(pictures.jpeg(), segment * 60_000)


def png_bomb() -> bytes:
    """20,000 x 20,000 black pixels in about a megabyte."""
    packer = zlib.compressobj(9)
    rows = bytes(20_000 * 3 + 1) * 50
    packed = b"".join(packer.compress(rows) for _ in range(400)) + packer.flush()
    return pictures.png_header(20_000, 20_000) + pictures.chunk(b"IDAT", packed) + pictures.chunk(b"IEND", b"")


def png_text_bomb() -> bytes:
    """A sound picture with a text chunk that inflates to 1 GB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()
    data = pictures.save(".png")
    return data[:33] + pictures.chunk(b"zTXt", b"comment\0\0" + packed) + data[33:]


def png_overfull() -> bytes:
    """16 x 16 pixels, and image data that inflate to 256 MB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    return pictures.png_header(16, 16) + pictures.chunk(b"IDAT", packed) + pictures.chunk(b"IEND", b"")


def apng_bomb() -> bytes:
    """A picture of 4,000 x 4,000 that says it has 100,000 frames."""
    control = pictures.chunk(b"acTL", struct.pack(">II", 100_000, 0))
    body = pictures.chunk(b"IDAT", zlib.compress(bytes((4_000 * 3 + 1) * 4_000), 9))
    return pictures.png_header(4_000, 4_000) + control + body + pictures.chunk(b"IEND", b"")


def _gif(width: int, height: int, blocks: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff" * 3 + blocks + b";"


_GIF_FRAME = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"


def gif_frames_bomb() -> bytes:
    """50,000 frames of one pixel."""
    return _gif(1, 1, _GIF_FRAME * 50_000)


def gif_canvas_bomb() -> bytes:
    """One pixel on a canvas of 65,535 x 65,535."""
    return _gif(65_535, 65_535, _GIF_FRAME)


def gif_comments() -> bytes:
    """10 MB of comments before the only frame."""
    comment = b"!\xfe" + (b"\xff" + b"x" * 255) * 40_000 + b"\0"
    return _gif(1, 1, comment + _GIF_FRAME)


def _tiff(
    entries: list[tuple[int, int, int, int]], *, following: int = 0, endian: str = "<", tail: bytes = b""
) -> bytes:
    head = (b"II" if endian == "<" else b"MM") + struct.pack(endian + "HI", 42, 8)
    body = struct.pack(endian + "H", len(entries))
    for tag, kind, count, value in entries:
        packed = struct.pack(endian + "HH", value, 0) if kind == 3 else struct.pack(endian + "I", value)
        body += struct.pack(endian + "HHI", tag, kind, count) + packed
    return head + body + struct.pack(endian + "I", following) + tail


def tiff_huge() -> bytes:
    """2,000,000 x 2,000,000 pixels in 200 bytes."""
    return _tiff([(256, 4, 1, 2_000_000), (257, 4, 1, 2_000_000), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8)])


def tiff_strip_bomb() -> bytes:
    """A modest size, and a strip that says it has 4 GB."""
    entries = [(256, 4, 1, 1000), (257, 4, 1, 1000), (258, 3, 1, 8), (259, 3, 1, 5), (262, 3, 1, 1), (273, 4, 1, 200)]
    return _tiff([*entries, (277, 3, 1, 1), (278, 4, 1, 0xFFFFFFFF), (279, 4, 1, 0xFFFFFFF0)], tail=bytes(500))


def tiff_loop() -> bytes:
    """A directory that names itself as the next one."""
    return _tiff([(256, 4, 1, 16), (257, 4, 1, 16)], following=8)


def webp_frames_bomb() -> bytes:
    """20,000 empty frames on a canvas of 16,384 x 16,384."""
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\x3f\0" * 2
    frames = (b"ANMF" + struct.pack("<I", 16) + bytes(16)) * 20_000
    body = b"WEBP" + extended + b"ANIM" + struct.pack("<I", 6) + bytes(6) + frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def heif_without_size() -> bytes:
    """An AVIF whose description is empty."""
    return struct.pack(">I", 24) + b"ftypavif\0\0\0\0avifmif1" + struct.pack(">I", 12) + b"meta\0\0\0\0"


def _zip() -> bytes:
    name = b"evil.txt"
    local = (
        b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, zlib.crc32(b"x"), 1, 1, len(name), 0) + name + b"x"
    )
    central = b"PK\x01\x02" + struct.pack(
        "<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 0, zlib.crc32(b"x"), 1, 1, 8, 0, 0, 0, 0, 0, 0
    )
    central += name
    return local + central + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


_SIMPLE = [
    Case("empty", lambda: b"", EMPTY, by_header=True),
    Case("one byte", lambda: b"\xff", UNSUPPORTED, by_header=True),
    Case("pdf called jpg", lambda: b"%PDF-1.7\n" + pictures.jpeg(), UNSUPPORTED, by_header=True),
    Case("html", lambda: b"<!doctype html><script>alert(1)</script>", UNSUPPORTED, by_header=True),
    Case("svg", lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', UNSUPPORTED, by_header=True),
    Case("film", lambda: b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(200), UNSUPPORTED, by_header=True),
    Case("only jpeg magic", lambda: b"\xff\xd8\xff", BAD, by_header=True),
    Case("jpeg without a frame", lambda: b"\xff\xd8\xff\xd9", BAD, by_header=True),
    Case("jpeg of no width", lambda: _patch_jpeg_size(pictures.jpeg(), 0, 10), BAD, by_header=True),
    Case("jpeg that claims more", lying_jpeg, BAD),
    Case("png of no height", lambda: pictures.png_header(10, 0) + pictures.chunk(b"IEND", b""), BAD, by_header=True),
    Case("gif without a frame", lambda: _gif(10, 10, b""), BAD, by_header=True),
    Case("tiff loop", tiff_loop, BAD, by_header=True),
    Case("avif without a size", heif_without_size, BAD, by_header=True),
]
_POLYGLOTS = [
    Case("jpeg and zip", lambda: pictures.jpeg() + _zip(), RENDER),
    Case("gif and javascript", lambda: pictures.save(".gif") + b"*/=1;alert(1)", RENDER),
    Case("zip and jpeg", lambda: _zip() + pictures.jpeg(), UNSUPPORTED, by_header=True),
    Case(
        "jpeg with php in a comment",
        lambda: pictures.insert_segments(pictures.jpeg(), pictures.jpeg_segment(0xFE, b"<?php system('id'); ?>")),
        RENDER,
    ),
]
_BOMBS = [
    Case("280 megapixels", giant_jpeg, TOO_LARGE, by_header=True),
    Case("60,000 exif segments", exif_flood, RENDER),
    Case("2,000 scans", scan_flood, TOO_LARGE),
    Case("png bomb", png_bomb, TOO_LARGE, by_header=True),
    Case("png text bomb", png_text_bomb, RENDER),
    Case("png with too much data", png_overfull, RENDER),
    Case("apng bomb", apng_bomb, TOO_LARGE, by_header=True),
    Case("gif frames bomb", gif_frames_bomb, TOO_LARGE, by_header=True),
    Case("gif canvas bomb", gif_canvas_bomb, TOO_LARGE, by_header=True),
    Case("10 MB of gif comments", gif_comments, RENDER),
    Case("tiff bomb", tiff_huge, TOO_LARGE, by_header=True),
    Case("tiff strip bomb", tiff_strip_bomb, BAD),
    Case("webp frames bomb", webp_frames_bomb, TOO_LARGE, by_header=True),
]


def _truncated() -> list[Case]:
    sound = {
        "jpeg": pictures.jpeg,
        "progressive": lambda: pictures.jpeg(interlace=True),
        "png": lambda: pictures.save(".png"),
        "webp": lambda: pictures.save(".webp"),
        "gif": lambda: pictures.save(".gif"),
        "tiff": lambda: pictures.save(".tif"),
        "avif": lambda: pictures.save(".avif"),
    }

    def cut(make: Callable[[], bytes], part: float) -> Callable[[], bytes]:
        return lambda: make()[: int(len(make()) * part)]

    return [
        Case(f"{name} cut at {part:.0%}", cut(make, part), BAD)
        for name, make in sound.items()
        for part in (0.1, 0.5, 0.9)
    ]


def _garbage() -> list[Case]:
    magics = {
        "jpeg": b"\xff\xd8\xff\xe0",
        "png": b"\x89PNG\r\n\x1a\n",
        "gif": b"GIF89a",
        "webp": b"RIFF\0\x10\0\0WEBPVP8 ",
        "tiff": b"II*\0\x08\0\0\0",
        "avif": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
    }

    def after(magic: bytes) -> Callable[[], bytes]:
        return lambda: magic + random.Random(7).randbytes(4096)

    return [Case(f"{name} magic and garbage", after(magic), "refused") for name, magic in magics.items()]
