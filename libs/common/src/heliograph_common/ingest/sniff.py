"""Type by content and size by header, before anything decodes.

The type is what the bytes at offset 0 say, never a name or a claimed media type: a polyglot is what it begins as.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from heliograph_common.errors import BadImage, EmptyImage, ImageTooLarge, UnsupportedImage
from heliograph_common.ingest import headers, tiff
from heliograph_common.ingest.headers import Header
from heliograph_common.ingest.reader import ReadAt, Reader
from heliograph_common.limits import Limits

__all__ = ["Header", "Limits", "ReadAt", "check", "sniff", "sniff_bytes", "sniff_file"]

FORMATS = "JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC"
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_NONSENSE = (ArithmeticError, LookupError, MemoryError, RecursionError, ValueError, struct.error)
"""What reading a header can raise over bytes that no format allows."""


def sniff(read_at: ReadAt) -> Header:
    """The header of the picture that ``read_at`` reads; takes some 50 ms of CPU at most, so keep it off event loops.

    Raises ``EmptyImage`` (no bytes), ``UnsupportedImage`` (no picture of ours) or ``BadImage`` (a damaged header).
    """
    head = read_at(0, 32)
    if not head:
        raise EmptyImage("the file is empty: upload a file that contains an image")
    try:
        header = _dispatch(head, Reader(read_at))
    except _NONSENSE as error:
        raise BadImage("the image header is invalid: export the image again") from error
    if not header.width or not header.height:
        raise BadImage("the image has no width or no height: export the image again")
    return header


def sniff_bytes(data: bytes | bytearray | memoryview) -> Header:
    """``sniff`` over a picture in memory."""
    view = memoryview(data)
    return sniff(lambda offset, size: bytes(view[offset : offset + size]))


def sniff_file(file: BinaryIO) -> Header:
    """``sniff`` over a seekable binary file; moves its position."""

    def read_at(offset: int, size: int) -> bytes:
        file.seek(offset, os.SEEK_SET)
        return file.read(size)

    return sniff(read_at)


def check(header: Header, size: int, limits: Limits) -> None:
    """Raises ``ImageTooLarge``, naming limit and remedy, where a file of ``size`` bytes exceeds ``limits``."""
    if size > limits.max_bytes:
        raise ImageTooLarge(
            f"the file has {size:,} bytes and exceeds the limit of {limits.max_bytes:,}: "
            "save the image at a smaller size or ask an administrator to raise the limit"
        )
    if header.frames > limits.max_frames:
        raise ImageTooLarge(
            f"the animation has at least {header.frames:,} frames and exceeds the limit of {limits.max_frames:,}: "
            "shorten the animation or ask an administrator to raise the limit"
        )
    shape = f"{header.width:,} x {header.height:,}" + (f" x {header.frames:,} frames" if header.frames > 1 else "")
    if header.pixels > limits.max_pixels:
        raise ImageTooLarge(
            f"the image ({shape}) has {header.pixels / 1e6:,.1f} megapixels and exceeds the limit of "
            f"{limits.max_pixels / 1e6:,.1f}: scale the image down or ask an administrator to raise the limit"
        )
    if max(header.width, header.height) > limits.max_side:
        raise ImageTooLarge(
            f"the image ({shape}) exceeds the limit of {limits.max_side:,} pixels per side: "
            "scale the image down or ask an administrator to raise the limit"
        )


def _dispatch(head: bytes, reader: Reader) -> Header:
    if head.startswith(b"\xff\xd8\xff"):
        return headers.jpeg(reader)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return headers.png(reader)
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        return headers.gif(reader)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return headers.webp(reader)
    if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return tiff.header(reader)
    if head[4:8] == b"ftyp":
        return _heif(head, reader)
    raise UnsupportedImage(
        f"the file is not a {FORMATS} image, whatever its name says: convert the image to one of these formats"
    )


def _heif(head: bytes, reader: Reader) -> Header:
    size = min(int.from_bytes(head[:4]), 256)
    brands = reader.read(8, max(size - 8, 8))
    known = {brands[:4]} | {brands[at : at + 4] for at in range(8, len(brands), 4)}
    if known & _AVIF:
        return headers.heif(reader, "image/avif")
    if known & _HEIC:
        return headers.heif(reader, "image/heic")
    raise UnsupportedImage(
        f"the file is a video or an unknown container, not a {FORMATS} image: convert it to one of these formats"
    )
