"""Whether NATS works, judged by what was asked of it last. A server can be connected and useless: its disk full, a stream
gone, no leader. ``publish`` and the pullers note how they fared; ``Bus`` tells it on. No I/O here.

Kinds of things that work or fail are ``connection``, ``publish <stream>`` and ``pull <consumer>``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

CONNECTION = "connection"
PUBLISH = "publish"
PULL = "pull"


@dataclass(frozen=True)
class _Failure:
    since: float
    until: float
    reason: str


class BusHealth:
    """Notes of one process. ``clock`` tells seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, _Failure] = {}

    def succeeded(self, kind: str) -> None:
        """``kind`` works."""
        self._failures.pop(kind, None)

    def failed(self, kind: str, reason: str, *, lasts: float = math.inf) -> None:
        """``kind`` does not work; it has not since the first of these notes in a row. Without another one the note is
        void after ``lasts`` seconds: for what is not tried all the time and would otherwise never be seen to work."""
        now = self._clock()
        known = self._current(kind)
        self._failures[kind] = _Failure(known.since if known else now, now + lasts, reason)

    def down_for(self, *families: str) -> float:
        """Seconds since the kind began to fail that has been failing longest; 0 when all work. With ``families``, the
        first words of kinds, only those count."""
        worst = self._worst(families)
        return 0.0 if worst is None else self._clock() - self._failures[worst].since

    def reason(self, *families: str) -> str | None:
        """What is said of the kind that has been failing longest; ``None`` when all work."""
        worst = self._worst(families)
        return None if worst is None else f"{worst}: {self._failures[worst].reason}"

    def _worst(self, families: tuple[str, ...]) -> str | None:
        failing = [
            kind
            for kind in list(self._failures)
            if (not families or kind.partition(" ")[0] in families) and self._current(kind) is not None
        ]
        return min(failing, key=lambda kind: self._failures[kind].since, default=None)

    def _current(self, kind: str) -> _Failure | None:
        found = self._failures.get(kind)
        if found is not None and self._clock() >= found.until:
            del self._failures[kind]
            return None
        return found
