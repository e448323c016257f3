"""The record of what the double was asked, and the hour's count of requests; image files are in neither.

A limit holds for each 3,600 seconds, wherever they begin, so that nobody can have twice as much around the full hour.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from uuid import uuid4

import msgspec

WINDOW = 3600.0


class Call(msgspec.Struct, kw_only=True):
    """``call`` is ``search``, ``photo`` or ``download``, ``about`` the query or the id of the photo, ``at`` the time by the
    double's clock. ``status`` is that of the answer, 0 before it; ``counted``: it used up one of the hour's requests."""

    id: str = msgspec.field(default_factory=lambda: uuid4().hex)

    call: str
    about: str
    at: float
    status: int = 0
    counted: bool = False


class Record:
    """Calls in a file, one line of JSON as each comes and one as it is answered: what was asked is known even if the double
    is killed then. Without a ``path`` nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, call: Call) -> None:
        """Adds the call as it is now."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(call) + b"\n")


def recorded(path: Path) -> list[Call]:
    """The calls of a file as they were last, whichever processes wrote them."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    whole = [msgspec.json.decode(line, type=Call) for line in lines if line.endswith(b"\n")]
    return list({call.id: call for call in whole}.values())


class Hour:
    """The requests of the last hour, of at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken: deque[float] = deque()

    def take(self, now: float) -> bool:
        """Uses one up, if any is left."""
        if self.left(now) <= 0:
            return False
        self._taken.append(now)
        return True

    def left(self, now: float) -> int:
        """How many are left."""
        while self._taken and self._taken[0] <= now - WINDOW:
            self._taken.popleft()
        return max(self.limit - len(self._taken), 0)
