"""Small sound pictures of every format, made in the test process without Pillow.

``scene`` is smooth with edges, so that resampling, turning and compression can be judged by it.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pyvips
import simplejpeg

Array = np.ndarray[Any, np.dtype[np.uint8]]


def scene(width: int, height: int, seed: int = 1) -> Array:
    """Rows x columns x RGB: gradients, circles and bars, unlike under every turn and mirroring."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / width, y / height
    rings = 0.5 + 0.5 * np.sin(40 * np.hypot(u - 0.3, v - 0.2) + seed)
    bars = ((u * 12).astype(int) % 2) * (v > 0.7)
    red = 200 * u + 55 * rings
    green = 180 * v + 60 * bars
    blue = 120 * (1 - u) * (1 - v) + 120 * rings * v
    picture: Array = np.clip(np.dstack((red, green, blue)), 0, 255).astype(np.uint8)
    return picture


def image(pixels: Array) -> pyvips.Image:
    """``pixels`` as a libvips image."""
    height, width, bands = pixels.shape
    loaded = pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, bands, "uchar")
    return loaded.copy(interpretation="b-w" if bands < 3 else "srgb")


def jpeg(width: int = 320, height: int = 240, quality: int = 90, **options: Any) -> bytes:
    """A baseline JPEG; any option (``interlace=True``) has libvips write it."""
    if options:
        return bytes(image(scene(width, height)).jpegsave_buffer(Q=quality, **options))
    return bytes(simplejpeg.encode_jpeg(scene(width, height), quality, "RGB", "420"))


def with_alpha(width: int = 320, height: int = 240) -> Array:
    """RGBA: opaque to the left, clear to the right."""
    alpha = np.broadcast_to(np.linspace(255, 0, width).astype(np.uint8), (height, width))
    return np.dstack((scene(width, height), alpha))


def save(suffix: str, width: int = 320, height: int = 240, *, alpha: bool = False, **options: Any) -> bytes:
    """A picture as libvips writes it for ``suffix`` (.png, .webp, .gif, .tif, .avif)."""
    pixels = with_alpha(width, height) if alpha else scene(width, height)
    return bytes(image(pixels).write_to_buffer(suffix, **options))


def animation(suffix: str, frames: int, side: int = 64) -> bytes:
    """An animated .gif or .webp of square frames."""
    rows = np.vstack([scene(side, side, seed) for seed in range(frames)])
    joined = image(rows).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", side)
    return bytes(joined.write_to_buffer(suffix))


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """Signature and IHDR."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def exif(orientation: int, *, big_endian: bool = False) -> bytes:
    """A minimal Exif block: its TIFF header and one tag."""
    endian = ">" if big_endian else "<"
    head = (b"MM" if big_endian else b"II") + struct.pack(endian + "HI", 42, 8)
    return head + struct.pack(endian + "HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def insert_segments(data: bytes, *segments: bytes) -> bytes:
    """``data`` (a JPEG) with ``segments`` right after its start marker."""
    return data[:2] + b"".join(segments) + data[2:]


def jpeg_turned(orientation: int, width: int = 320, height: int = 240) -> bytes:
    """A JPEG that shows ``scene(width, height)`` upright once its orientation is applied."""
    upright = scene(width, height)
    # The inverse of what a viewer does for each value (CIPA DC-008, 4.6.4.A).
    stored = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation](upright)
    data = bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(stored), 95, "RGB", "444"))
    return insert_segments(data, jpeg_segment(0xE1, b"Exif\0\0" + exif(orientation)))


def png(width: int = 8, height: int = 6, seed: int = 0, level: int = -1) -> bytes:
    """A small PNG; other seeds give other bytes. ``level`` 0 has the same size everywhere: other ones depend on zlib."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + bytes((seed + 40 * x) % 256 for x in range(3 * width))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    comment = chunk(b"tEXt", b"Comment\0" + str(seed).encode())
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + comment
        + chunk(b"IDAT", zlib.compress(row * height, level))
        + chunk(b"IEND", b"")
    )
