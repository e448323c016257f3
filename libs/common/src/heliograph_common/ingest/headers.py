"""Header-only readers, one per format: dimensions, frames and orientation without decoding a pixel.

``sniff`` picks the reader by the magic bytes. Whatever can repeat in a file is walked through a
``Reader``, whose budget bounds the walk in steps and bytes, so that a hostile file costs milliseconds. Pure standard
library. Left out: TIFF, which has its own module, and whether the pixels are sound (only a decoder knows).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from heliograph_common.errors import BadImage, UnsupportedImage
from heliograph_common.ingest.reader import Budget, Reader, cut_off

FRAME_CEILING = 10_000  # counting stops here: any sane limit lies below
_EXIF_BYTES = 262_144
_SEGMENT, _CHUNK, _BOX = 4, 5, 10  # steps that these cost beyond the looks at them


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about itself.

    ``width`` and ``height`` are as stored (pixels), before ``orientation`` (Exif 1..8) is applied. ``frames`` counts
    the pictures of an animation; the pages of a TIFF and the items of a HEIF are not frames: only the first is read.
    """

    mime_type: str
    width: int
    height: int
    frames: int = 1
    orientation: int = 1
    progressive: bool = False
    alpha: bool = False

    @property
    def pixels(self) -> int:
        """Pixels over all frames."""
        return self.width * self.height * self.frames

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height after the orientation is applied."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def exif_orientation(tiff: bytes) -> int:
    """Orientation (1..8) from an Exif block that starts at its TIFF header; 1 where it says nothing usable."""
    endian = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if endian is None or len(tiff) < 8:
        return 1
    (offset,) = struct.unpack_from(endian + "I", tiff, 4)
    if offset + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(endian + "H", tiff, offset)
    for at in range(offset + 2, min(offset + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, number, value = struct.unpack_from(endian + "HHIH", tiff, at)
        if tag == 0x0112:
            return value if kind == 3 and number == 1 and 1 <= value <= 8 else 1
    return 1


# --- JPEG (ITU-T T.81) ----------------------------------------------------------------------------------------------

_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_SOF_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_SOF_BASELINE = frozenset({0xC0, 0xC1, 0xC2})
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RSTn and SOI: markers without a segment
_SKIPPED = frozenset(range(256)) - _SOF - _BARE - {0xD9, 0xDA, 0xFF}


def jpeg(reader: Reader) -> Header:
    """Markers up to the frame header (SOFn); segments are skipped by their length, never searched."""
    at, orientation, skipped = 2, 1, _SKIPPED - {0xE1}
    while True:
        at = _skip_segments(reader, at, skipped)
        segment = reader.some(at, 4)
        if len(segment) < 2:
            raise cut_off()
        lead, marker = segment[:2]
        if lead != 0xFF:
            raise BadImage("the JPEG header is damaged: export the image again")
        if marker == 0xFF:
            at = reader.skip_fill(at)
            continue
        if marker in _BARE:
            at += 2
            continue
        if marker in {0xD9, 0xDA}:
            raise BadImage("the JPEG has no frame header: export the image again")
        if len(segment) < 4:
            raise cut_off()
        if marker in _SOF:
            return _jpeg_frame(reader.read(at + 4, 6), marker, orientation)
        length = segment[2] << 8 | segment[3]
        if length > 16 and reader.read(at + 4, 6) == b"Exif\0\0":
            skipped = _SKIPPED  # the first one counts
            orientation = exif_orientation(reader.read(at + 10, length - 8))
        at += 2 + max(length, 2)


def _skip_segments(reader: Reader, at: int, skipped: frozenset[int]) -> int:
    """The offset after all segments from ``at`` on whose markers are in ``skipped``."""
    while True:
        window, index = reader.window(at, 4)
        begin, end, steps = index, len(window) - 3, 0
        while index < end and window[index] == 0xFF and window[index + 1] in skipped:
            index += 2 + max(window[index + 2] << 8 | window[index + 3], 2)
            steps += _SEGMENT
        reader.budget.spend(steps)
        at += index - begin
        if index < end or not steps:
            return at


def _jpeg_frame(frame: bytes, marker: int, orientation: int) -> Header:
    precision, height, width, components = struct.unpack(">BHHB", frame)
    if marker not in _SOF_BASELINE or precision != 8 or components not in {1, 3, 4}:
        raise UnsupportedImage(
            "the JPEG is lossless, arithmetic-coded or deeper than 8 bits: save the image as a standard 8-bit JPEG"
        )
    return Header("image/jpeg", width, height, 1, orientation, marker in _SOF_PROGRESSIVE)


# --- PNG and APNG (W3C PNG, third edition) --------------------------------------------------------------------------


def png(reader: Reader) -> Header:
    """Chunks up to the first IDAT: IHDR, acTL (frames), tRNS (alpha), eXIf (orientation)."""
    length, kind, width, height, depth, colour = struct.unpack(">I4sIIBB", reader.read(8, 18))
    if kind != b"IHDR" or length != 13 or depth not in {1, 2, 4, 8, 16}:
        raise BadImage("the PNG does not begin with a valid IHDR chunk: export the image again")
    frames, orientation, alpha, at = 1, 0, bool(colour & 4), 33
    while True:
        length, kind = struct.unpack(">I4s", reader.read(at, 8))
        if kind in {b"IDAT", b"IEND"}:
            break
        if kind == b"acTL":
            frames = min(max(int.from_bytes(reader.read(at + 8, 4)), 1), FRAME_CEILING)
        elif kind == b"tRNS":
            alpha = True
        elif kind == b"eXIf" and length <= _EXIF_BYTES and not orientation:
            orientation = exif_orientation(reader.read(at + 8, length))
        at += 12 + length
    return Header("image/png", width, height, frames, orientation or 1, alpha=alpha)


# --- GIF (89a specification) ----------------------------------------------------------------------------------------


def gif(reader: Reader) -> Header:
    """All blocks, skipping data sub-blocks by their length; a file cut off after its first frame still counts."""
    width, height, flags = struct.unpack("<HHB", reader.read(6, 5))
    at = 13 + _colour_table(flags)
    frames, alpha = 0, False
    while frames < FRAME_CEILING:
        block = reader.some(at, 11)
        if block[:1] == b"," and len(block) == 11:
            left, top, wide, high, flags = struct.unpack_from("<HHHHB", block, 1)
            width, height = (width or left + wide), (height or top + high)
            frames += 1
            at = reader.skip_blocks(at + 11 + _colour_table(flags))
        elif block[:1] == b"!" and len(block) >= 4:
            alpha = alpha or (block[1] == 0xF9 and bool(block[3] & 1))
            at = reader.skip_blocks(at + 2)
        else:
            break
    if not frames:
        raise BadImage("the GIF contains no frame: export the image again")
    return Header("image/gif", width, height, frames, alpha=alpha)


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


# --- WebP (RFC 9649) ------------------------------------------------------------------------------------------------


def webp(reader: Reader) -> Header:
    """VP8, VP8L or VP8X; of the last, the ANMF chunks (frames) and the EXIF chunk (orientation)."""
    kind = reader.read(12, 4)
    if kind == b"VP8 ":
        if reader.read(23, 3) != b"\x9d\x01\x2a":
            raise BadImage("the WebP frame header is damaged: export the image again")
        width, height = struct.unpack("<HH", reader.read(26, 4))
        return Header("image/webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        if reader.byte(20) != 0x2F:
            raise BadImage("the WebP frame header is damaged: export the image again")
        bits = int.from_bytes(reader.read(21, 4), "little")
        return Header("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, alpha=bool(bits >> 28 & 1))
    if kind == b"VP8X":
        return _webp_extended(reader)
    raise BadImage("the WebP does not begin with an image chunk: export the image again")


def _webp_extended(reader: Reader) -> Header:
    flags = reader.byte(20)
    width = int.from_bytes(reader.read(24, 3), "little") + 1
    height = int.from_bytes(reader.read(27, 3), "little") + 1
    frames, orientation = 0, 0
    for kind, at, size in _riff_chunks(reader):
        if kind == b"ANMF":
            frames += 1
        elif kind == b"EXIF" and not orientation and size <= _EXIF_BYTES and reader.has(at, size):
            orientation = exif_orientation(reader.read(at, size).removeprefix(b"Exif\0\0"))
        if frames >= FRAME_CEILING:
            break
    animated = bool(flags & 2)
    if animated and not frames:
        raise BadImage("the animated WebP contains no frame: export the image again")
    return Header("image/webp", width, height, frames if animated else 1, orientation or 1, alpha=bool(flags & 0x10))


def _riff_chunks(reader: Reader) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    while len(head := reader.some(at, 8)) == 8:
        reader.budget.spend(_CHUNK)
        kind, size = struct.unpack("<4sI", head)
        yield kind, at + 8, size
        at += 8 + size + (size & 1)


# --- HEIF: AVIF and HEIC (ISO/IEC 23008-12) -------------------------------------------------------------------------

_META_BYTES = 1 << 20


def heif(reader: Reader, mime_type: str) -> Header:
    """The largest ``ispe`` of ``meta/iprp/ipco``: the primary picture, which is the largest of its grid."""
    at = 0
    for _ in range(64):
        kind, start, end = _box(reader, at)
        if kind == b"meta":
            break
        at = end
    else:
        raise BadImage("the file has no `meta` box: export the image again")
    if end - start > _META_BYTES:
        raise BadImage("the `meta` box of the file exceeds 1 MiB: export the image again")
    sizes = _ispe(reader.read(start, end - start), reader.budget)
    if not sizes:
        raise BadImage("the file does not state the size of the image: export the image again")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Header(mime_type, width, height)


def _box(reader: Reader, at: int) -> tuple[bytes, int, int]:
    """Type, start of payload and end of the box at ``at``."""
    reader.budget.spend(_BOX)
    size, kind = struct.unpack(">I4s", reader.read(at, 8))
    head = 8
    if size == 1:
        size, head = int.from_bytes(reader.read(at + 8, 8)), 16
    if size < head:
        raise BadImage("a box of the file has an invalid size: export the image again")
    return kind, at + head, at + size


def _ispe(meta: bytes, budget: Budget) -> list[tuple[int, int]]:
    memory = Reader(lambda offset, size: meta[offset : offset + size], budget)
    found: list[tuple[int, int]] = []
    pending = [(4, len(meta))]
    while pending:
        at, end = pending.pop()
        while at + 8 <= end:
            kind, start, stop = _box(memory, at)
            if kind in {b"iprp", b"ipco"}:
                pending.append((start, min(stop, end)))
            elif kind == b"ispe" and stop - start >= 12:
                found.append(struct.unpack(">II", memory.read(start + 4, 8)))
            at = stop
    return found
