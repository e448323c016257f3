"""When a worker gives up on nearly everything, the fault is its own (a bad deployment, a missing permission): it must stop
before it has moved the whole stream into the dead letters. Pictures that are at fault themselves do not count."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class DeadLetterLimit:
    """Exceeded when, within the last ``window`` seconds, at least ``minimum`` messages were given up and they are more
    than ``share`` of all that were taken."""

    def __init__(
        self,
        *,
        minimum: int = 20,
        share: float = 0.5,
        window: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._minimum = minimum
        self._share = share
        self._window = window
        self._clock = clock
        self._taken: deque[float] = deque()
        self._dead: deque[float] = deque()

    def count(self) -> None:
        """A message was taken."""
        self._taken.append(self._clock())
        self._expire()

    def exceeded_by_another(self) -> bool:
        """Another message was given up; whether that is too many."""
        self._dead.append(self._clock())
        self._expire()
        return len(self._dead) >= self._minimum and len(self._dead) > self._share * len(self._taken)

    def _expire(self) -> None:
        horizon = self._clock() - self._window
        for moments in (self._taken, self._dead):
            while moments and moments[0] < horizon:
                moments.popleft()
