"""Bounded reads of a file's header: a window over the file, and the budget that every walk is charged to.

One budget holds for the whole walk, however its parts are nested or repeated: each look costs
steps, each read of the file costs bytes. Left out: what the bytes mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from heliograph_common.errors import BadImage

STEPS = 500_000
"""Steps of some 50 to 100 ns each: 50 MB of GIF in sub-blocks of 255 bytes need 210,000."""
BYTES = 128 << 20
"""Bytes read of the file: a GIF is read once from end to end, everything else is mostly skipped."""

_LOOK = 10
_READ = 16
_WINDOW = 65_536
_FIRST_WINDOW = 4_096
_FILE_END = 1 << 40  # no picture has a byte there; file systems refuse to seek much further

_FILL = re.compile(rb"\xff+")

ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, size)``: up to ``size`` bytes from ``offset``; fewer only at the end of the file."""


class Budget:
    """What one walk may cost in all."""

    def __init__(self, steps: int = STEPS, size: int = BYTES) -> None:
        self._steps = steps
        self._bytes = size

    def spend(self, steps: int, size: int = 0) -> None:
        """Takes ``steps`` and ``size`` bytes from what is left; ``BadImage`` where that is not enough."""
        self._steps -= steps
        self._bytes -= size
        if self._steps < 0 or self._bytes < 0:
            raise BadImage("the file header has too many parts: export the image again, without its metadata")


class Reader:
    """Reads through a window, so that a walk of small steps makes few reads of the file.

    The window grows while the walk goes on from where it ended and is small again after a jump.
    """

    def __init__(self, read_at: ReadAt, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._read_at = read_at
        self._start = 0
        self._window = b""
        self._size = _FIRST_WINDOW

    def window(self, offset: int, size: int = 1) -> tuple[bytes, int]:
        """The window, and the index in it of ``offset``; ``size`` bytes follow there unless the file ends before."""
        self.budget.spend(_LOOK)
        relative = offset - self._start
        if relative < 0 or relative + size > len(self._window):
            self._move(offset, size)
            relative = 0
        return self._window, relative

    def some(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``; fewer, or none, where the file ends before."""
        window, at = self.window(offset, size)
        return window[at : at + size]

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes at ``offset``; ``BadImage`` where the file ends before."""
        data = self.some(offset, size)
        if len(data) < size:
            raise cut_off()
        return data

    def byte(self, offset: int) -> int:
        """The byte at ``offset``."""
        return self.read(offset, 1)[0]

    def has(self, offset: int, size: int = 1) -> bool:
        """Whether the file goes on for ``size`` bytes at ``offset``."""
        return len(self.some(offset, size)) == size

    def skip_fill(self, offset: int) -> int:
        """The offset of the last byte of the run of 0xFF that begins at ``offset``."""
        while True:
            window, at = self.window(offset)
            run = _FILL.match(window, at)
            end = run.end() if run else at
            self.budget.spend((end - at) // 16)
            offset += end - at
            if end < len(window):
                return offset - 1
            if not self.has(offset):
                raise cut_off()

    def skip_blocks(self, offset: int) -> int:
        """The offset after a chain of blocks, each of a length byte and so many bytes; an empty block ends the chain.

        A chain that the end of the file cuts off ends there, or beyond it.
        """
        while True:
            window, at = self.window(offset)
            begin, end, steps, length = at, len(window), 0, 1
            while at < end and length:
                length = window[at]
                at += length + 1
                steps += 1
            self.budget.spend(steps)
            offset += at - begin
            if not length or not steps:
                return offset

    def _move(self, offset: int, size: int) -> None:
        end = self._start + len(self._window)
        goes_on = end <= offset + size and offset <= end + self._size
        self._size = min(self._size * 4, _WINDOW) if goes_on else _FIRST_WINDOW
        self._start, self._window = offset, b""
        if 0 <= offset < _FILE_END:
            self._window = self._read_at(offset, max(size, self._size))
        self.budget.spend(_READ, len(self._window))


def cut_off() -> BadImage:
    """The refusal of a file that ends too early."""
    return BadImage("the file ends inside its header: upload the whole file again")
