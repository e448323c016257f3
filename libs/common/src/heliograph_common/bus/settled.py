"""What this process did with the messages of a consumer: how many left the queue, and which it returned with a delay that is
not over. Only what NATS confirmed counts.

NATS counts a message that waits for its delay with those that are being worked on; only who returned it knows better.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

_EXACT_BITS = 6
_LONGEST = 86_400


class Settled:
    """The counts of one durable. ``clock`` tells seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: Counter[int] = Counter()
        self.finished = 0
        """Messages that were acknowledged or terminated."""

    def returned(self, delay: float) -> None:
        """A message was returned, to be delivered again after ``delay`` seconds."""
        if delay > 0:
            self._drop_due()
            self._due[_due(self._clock(), min(delay, _LONGEST))] += 1

    def delayed(self) -> tuple[tuple[int, int], ...]:
        """Messages that are still to wait, as pairs of seconds until they are due and how many are due then."""
        self._drop_due()
        now = self._clock()
        return tuple((math.ceil(second - now), count) for second, count in sorted(self._due.items()))

    def _drop_due(self) -> None:
        now = self._clock()
        for second in [second for second in self._due if second <= now]:
            del self._due[second]


def _due(now: float, delay: float) -> int:
    """The whole second at which it is due. Delays from 64 s on are told by the 32nd part, and none beyond a day, so that
    there are some hundred different ones at most. It is rather due too early, when it counts as work again."""
    second = math.ceil(now + delay)
    width = 1 << max(0, math.ceil(delay).bit_length() - _EXACT_BITS)
    return second - second % width
