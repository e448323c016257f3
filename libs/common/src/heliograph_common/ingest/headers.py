"""Header-only readers, one per format: dimensions, frames and orientation without decoding a pixel.

Called by ``sniff``, which picks the reader by the magic bytes. Every walk is bounded, in steps or in bytes, so that a
hostile file costs milliseconds. Pure standard library. Left out: whether the pixels are sound (only a decoder knows).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from heliograph_common.errors import BadImage, UnsupportedImage

FRAME_CEILING = 10_000  # counting stops here: any sane limit lies below
_STEPS = 100_000  # segments, chunks or boxes walked before a file counts as broken
_WINDOW = 65_536
_EXIF_BYTES = 262_144

ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, size)``: up to ``size`` bytes from ``offset``; fewer only at the end of the file."""


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


class Reader:
    """Exact reads over a window, so that a walk of small steps makes few reads of the file."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._start = 0
        self._window = b""

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes at ``offset``; ``BadImage`` where the file ends before."""
        relative = offset - self._start
        if relative < 0 or relative + size > len(self._window):
            self._start, self._window = offset, self._read_at(offset, max(size, _WINDOW))
            relative = 0
        data = self._window[relative : relative + size]
        if len(data) < size:
            raise BadImage("the file ends inside its header: it was cut off, send it again")
        return data

    def byte(self, offset: int) -> int:
        """The byte at ``offset``."""
        relative = offset - self._start
        if 0 <= relative < len(self._window):
            return self._window[relative]
        return self.read(offset, 1)[0]

    def has(self, offset: int, size: int = 1) -> bool:
        """Whether the file goes on for ``size`` bytes at ``offset``."""
        try:
            self.read(offset, size)
        except BadImage:
            return False
        return True


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


def jpeg(reader: Reader) -> Header:
    """Markers up to the frame header (SOFn); segments are skipped by their length, never searched."""
    at, orientation, exif_seen = 2, 1, False
    for _ in range(_STEPS):
        while reader.byte(at) == 0xFF and reader.byte(at + 1) == 0xFF:
            at += 1
        lead, marker = reader.read(at, 2)
        if lead != 0xFF:
            raise BadImage("the JPEG's header is damaged: export the picture anew")
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        if marker in {0xD9, 0xDA}:
            break
        length = int.from_bytes(reader.read(at + 2, 2))
        if marker in _SOF:
            return _jpeg_frame(reader.read(at + 4, 6), marker, orientation)
        if marker == 0xE1 and not exif_seen and length > 16 and reader.read(at + 4, 6) == b"Exif\0\0":
            exif_seen = True
            orientation = exif_orientation(reader.read(at + 10, length - 8))
        at += 2 + max(length, 2)
    raise BadImage("the JPEG has no frame header: export the picture anew")


def _jpeg_frame(frame: bytes, marker: int, orientation: int) -> Header:
    precision, height, width, components = struct.unpack(">BHHB", frame)
    if marker not in _SOF_BASELINE or precision != 8 or components not in {1, 3, 4}:
        raise UnsupportedImage(
            "this JPEG is lossless, arithmetic-coded or of more than 8 bits: save it as a standard 8-bit JPEG"
        )
    return Header("image/jpeg", width, height, 1, orientation, marker in _SOF_PROGRESSIVE)


# --- PNG and APNG (W3C PNG, third edition) --------------------------------------------------------------------------


def png(reader: Reader) -> Header:
    """Chunks up to the first IDAT: IHDR, acTL (frames), tRNS (alpha), eXIf (orientation)."""
    length, kind, width, height, depth, colour = struct.unpack(">I4sIIBB", reader.read(8, 18))
    if kind != b"IHDR" or length != 13 or depth not in {1, 2, 4, 8, 16}:
        raise BadImage("the PNG does not begin with a sound IHDR: export the picture anew")
    frames, orientation, alpha, at = 1, 0, bool(colour & 4), 33
    for _ in range(_STEPS):
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
    while frames < FRAME_CEILING and reader.has(at):
        block = reader.byte(at)
        if block == 0x2C and reader.has(at, 11):
            left, top, wide, high, flags = struct.unpack("<HHHHB", reader.read(at + 1, 9))
            width, height = (width or left + wide), (height or top + high)
            frames += 1
            at = _skip_sub_blocks(reader, at + 11 + _colour_table(flags))
        elif block == 0x21 and reader.has(at, 4):
            alpha = alpha or (reader.byte(at + 1) == 0xF9 and bool(reader.byte(at + 3) & 1))
            at = _skip_sub_blocks(reader, at + 2)
        else:
            break
    if not frames:
        raise BadImage("the GIF holds no picture: export it anew")
    return Header("image/gif", width, height, frames, alpha=alpha)


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_sub_blocks(reader: Reader, at: int) -> int:
    while reader.has(at):
        size = reader.byte(at)
        at += size + 1
        if not size:
            break
    return at


# --- WebP (RFC 9649) ------------------------------------------------------------------------------------------------


def webp(reader: Reader) -> Header:
    """VP8, VP8L or VP8X; of the last, the ANMF chunks (frames) and the EXIF chunk (orientation)."""
    kind = reader.read(12, 4)
    if kind == b"VP8 ":
        if reader.read(23, 3) != b"\x9d\x01\x2a":
            raise BadImage("the WebP's frame header is damaged: export the picture anew")
        width, height = struct.unpack("<HH", reader.read(26, 4))
        return Header("image/webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        if reader.byte(20) != 0x2F:
            raise BadImage("the WebP's frame header is damaged: export the picture anew")
        bits = int.from_bytes(reader.read(21, 4), "little")
        return Header("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, alpha=bool(bits >> 28 & 1))
    if kind == b"VP8X":
        return _webp_extended(reader)
    raise BadImage("the WebP begins with no picture chunk: export the picture anew")


def _webp_extended(reader: Reader) -> Header:
    flags = reader.byte(20)
    width = int.from_bytes(reader.read(24, 3), "little") + 1
    height = int.from_bytes(reader.read(27, 3), "little") + 1
    frames, orientation = 0, 1
    for kind, at, size in _riff_chunks(reader):
        if kind == b"ANMF":
            frames += 1
        elif kind == b"EXIF" and size <= _EXIF_BYTES and reader.has(at, size):
            orientation = exif_orientation(reader.read(at, size).removeprefix(b"Exif\0\0"))
        if frames >= FRAME_CEILING:
            break
    animated = bool(flags & 2)
    if animated and not frames:
        raise BadImage("the animated WebP holds no frame: export it anew")
    return Header("image/webp", width, height, frames if animated else 1, orientation, alpha=bool(flags & 0x10))


def _riff_chunks(reader: Reader) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    for _ in range(_STEPS):
        if not reader.has(at, 8):
            return
        kind, size = struct.unpack("<4sI", reader.read(at, 8))
        yield kind, at + 8, size
        at += 8 + size + (size & 1)


# --- TIFF 6.0 and BigTIFF -------------------------------------------------------------------------------------------

_TIFF_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}


def tiff(reader: Reader) -> Header:
    """The first directory of either byte order; the largest of the pages that follow counts for the limits.

    A chain of directories that loops, or is longer than the ceiling, is refused.
    """
    endian = "<" if reader.read(0, 2) == b"II" else ">"
    big = struct.unpack(endian + "H", reader.read(2, 2))[0] == 43
    at: int = struct.unpack(endian + ("Q" if big else "I"), reader.read(8 if big else 4, 8 if big else 4))[0]
    first, seen = None, set[int]()
    while at:
        if at in seen or len(seen) >= FRAME_CEILING:
            raise BadImage("the TIFF's directories form a loop: export the picture anew")
        seen.add(at)
        tags, at = _tiff_directory(reader, at, endian, big=big)
        if first is None:
            first = tags
            if not (reader.has(at) if at else True):
                at = 0
    if first is None or not first.get(256) or not first.get(257):
        raise BadImage("the TIFF states no width or height: export the picture anew")
    orientation = first.get(274, 1)
    alpha = 338 in first and first[338] in {1, 2}
    return Header("image/tiff", first[256], first[257], 1, orientation if 1 <= orientation <= 8 else 1, alpha=alpha)


def _tiff_directory(reader: Reader, at: int, endian: str, *, big: bool) -> tuple[dict[int, int], int]:
    """The scalar tags of the directory at ``at``, and the offset of the next one."""
    head, entry, word = (8, 20, "Q") if big else (2, 12, "I")
    (count,) = struct.unpack(endian + ("Q" if big else "H"), reader.read(at, head))
    if count > 4096:
        raise BadImage("a directory of the TIFF has more than 4096 entries: export the picture anew")
    raw = reader.read(at + head, count * entry + (8 if big else 4))
    tags: dict[int, int] = {}
    for start in range(0, count * entry, entry):
        tag, kind, number = struct.unpack_from(endian + "HH" + word, raw, start)
        size = _TIFF_SIZES.get(kind)
        if size and number >= 1 and size * number <= (8 if big else 4):
            value = raw[start + entry - (8 if big else 4) :][:size]
            tags.setdefault(tag, int.from_bytes(value, "little" if endian == "<" else "big"))
    return tags, struct.unpack_from(endian + word, raw, count * entry)[0]


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
        raise BadImage("the file has no picture description (meta box): export the picture anew")
    if end - start > _META_BYTES:
        raise BadImage("the picture's description exceeds 1 MiB: export the picture anew")
    sizes = _ispe(reader.read(start, end - start))
    if not sizes:
        raise BadImage("the file does not state the picture's size: export the picture anew")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Header(mime_type, width, height)


def _box(reader: Reader, at: int) -> tuple[bytes, int, int]:
    """Type, start of payload and end of the box at ``at``."""
    size, kind = struct.unpack(">I4s", reader.read(at, 8))
    head = 8
    if size == 1:
        size, head = int.from_bytes(reader.read(at + 8, 8)), 16
    if size < head:
        raise BadImage("a box of the file has an impossible size: export the picture anew")
    return kind, at + head, at + size


def _ispe(meta: bytes) -> list[tuple[int, int]]:
    memory = Reader(lambda offset, size: meta[offset : offset + size])
    found: list[tuple[int, int]] = []
    pending = [(4, len(meta), b"meta")]
    steps = 0
    while pending:
        at, end, _ = pending.pop()
        while at + 8 <= end and steps < _STEPS:
            steps += 1
            kind, start, stop = _box(memory, at)
            if kind in {b"iprp", b"ipco"}:
                pending.append((start, min(stop, end), kind))
            elif kind == b"ispe" and stop - start >= 12:
                found.append(struct.unpack(">II", memory.read(start + 4, 8)))
            at = stop
    return found
