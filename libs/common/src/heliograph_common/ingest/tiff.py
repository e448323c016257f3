"""The header of a TIFF 6.0 or BigTIFF: its first page, and a walk of the pages after it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from heliograph_common.errors import BadImage
from heliograph_common.ingest.headers import Header
from heliograph_common.ingest.reader import Reader

_PAGES = 10_000
_ENTRIES = 4096
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}


def header(reader: Reader) -> Header:
    """The first directory of either byte order. A chain of directories that loops or has no end is refused."""
    layout = _Layout.of(reader)
    raw, at = layout.directory(reader, layout.first(reader))
    tags = layout.scalars(raw)
    if not tags.get(256) or not tags.get(257):
        raise BadImage("the TIFF states no width or height: export the image again")
    if reader.has(at):  # else cut off after its first page, which is all that is rendered
        _follow(reader, layout, at)
    orientation = tags.get(274, 1)
    alpha = tags.get(338) in {1, 2}
    return Header("image/tiff", tags[256], tags[257], 1, orientation if 1 <= orientation <= 8 else 1, alpha=alpha)


def _follow(reader: Reader, layout: _Layout, at: int) -> None:
    """Walks the chain of directories from ``at`` to its end, so that no decoder meets one that has none."""
    seen = set[int]()
    while at:
        if at in seen:
            raise BadImage("the TIFF directories form a loop: export the image again")
        if len(seen) >= _PAGES:
            raise BadImage(f"the TIFF has more than {_PAGES:,} pages: export only the first page")
        seen.add(at)
        _, at = layout.directory(reader, at)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Byte order and widths: bytes of a directory's count, of an entry and of a value, and ``struct``'s codes of them."""

    endian: Literal["<", ">"]
    count: int
    entry: int
    word: int
    count_code: str
    word_code: str

    @classmethod
    def of(cls, reader: Reader) -> _Layout:
        endian: Literal["<", ">"] = "<" if reader.read(0, 2) == b"II" else ">"
        big = struct.unpack(endian + "H", reader.read(2, 2))[0] == 43
        return cls(endian, 8, 20, 8, "Q", "Q") if big else cls(endian, 2, 12, 4, "H", "I")

    def first(self, reader: Reader) -> int:
        """The offset of the first directory."""
        at: int = struct.unpack(self.endian + self.word_code, reader.read(self.word, self.word))[0]
        return at

    def directory(self, reader: Reader, at: int) -> tuple[bytes, int]:
        """The entries of the directory at ``at``, and the offset of the next one."""
        (count,) = struct.unpack(self.endian + self.count_code, reader.read(at, self.count))
        if count > _ENTRIES:
            raise BadImage(f"a directory of the TIFF has more than {_ENTRIES} entries: export the image again")
        reader.budget.spend(count)  # decoders read every entry of every directory
        raw = reader.read(at + self.count, count * self.entry + self.word)
        end = len(raw) - self.word
        return raw[:end], struct.unpack_from(self.endian + self.word_code, raw, end)[0]

    def scalars(self, raw: bytes) -> dict[int, int]:
        """Those tags of a directory whose one value lies in the entry itself."""
        order: Literal["little", "big"] = "little" if self.endian == "<" else "big"
        tags: dict[int, int] = {}
        for start in range(0, len(raw), self.entry):
            tag, kind, number = struct.unpack_from(self.endian + "HH" + self.word_code, raw, start)
            size = _SIZES.get(kind)
            if size and number >= 1 and size * number <= self.word:
                value = raw[start + self.entry - self.word :][:size]
                tags.setdefault(tag, int.from_bytes(value, order))
        return tags
