"""The cursor ``<epoch>.<stream sequence>``: everything up to and including that event of that stream incarnation was
seen. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"([0-9a-f]{1,16})\.(0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the events. ``epoch`` as in ``bus.ordered.StreamState``."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"


def parse_cursor(text: str) -> Cursor | None:
    """The cursor in ``text``; ``None`` when it is none."""
    match = _FORM.fullmatch(text)
    return Cursor(match[1], int(match[2])) if match else None
