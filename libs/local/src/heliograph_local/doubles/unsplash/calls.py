"""What the double was asked, and the hour's count of requests; image files are in neither.

A limit holds for each 3,600 seconds, wherever they begin, so that nobody can have twice as much around the full hour.
"""

from __future__ import annotations

from collections import deque

from heliograph_local.doubles.records import Entry

WINDOW = 3600.0


class Call(Entry, kw_only=True):
    """``call`` is ``search``, ``photo`` or ``download``, ``about`` the query or the id of the photo, ``at`` the time by the
    double's clock. ``status`` is that of the answer, 0 before it; ``counted``: it used up one of the hour's requests."""

    call: str
    about: str
    at: float
    status: int = 0
    counted: bool = False


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
