"""Pauses a worker that fails at nearly everything: the fault is its own then (a bad deployment, a missing permission, a
broken node), and it must not move the whole stream into the dead letters, or take all attempts from pictures that others
could render. Pictures that are at fault themselves do not count. When a picture is given up is the handler's to say."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class PauseAfterFailures:
    """Exceeded when, within the last ``window`` seconds, at least ``minimum`` attempts failed and they are more than
    ``share`` of all that ended. Then the worker pauses: ``pause`` seconds at first, doubled up to ``longest`` each time
    that it is exceeded again without a success in between."""

    def __init__(
        self,
        *,
        minimum: int = 20,
        share: float = 0.5,
        window: float = 60.0,
        pause: float = 60.0,
        longest: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._minimum = minimum
        self._share = share
        self._window = window
        self._first_pause = pause
        self._longest = longest
        self._clock = clock
        self._pause = pause
        self._ended: deque[tuple[float, bool]] = deque()

    def succeeded(self) -> None:
        """An attempt ended as it should, or its picture was at fault."""
        self._ended.append((self._clock(), False))
        self._pause = self._first_pause
        self._expire()

    def failed(self) -> float | None:
        """An attempt failed; the seconds to pause for if that is one too many. Counting begins again then."""
        self._ended.append((self._clock(), True))
        self._expire()
        failures = sum(failed for _, failed in self._ended)
        if failures < self._minimum or failures <= self._share * len(self._ended):
            return None
        self._ended.clear()
        pause, self._pause = self._pause, min(2 * self._pause, self._longest)
        return pause

    def _expire(self) -> None:
        horizon = self._clock() - self._window
        while self._ended and self._ended[0][0] < horizon:
            self._ended.popleft()
