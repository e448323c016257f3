"""The arithmetic of the signal: arrivals a second, and messages a second of one busy slot. Pure; times are seconds on a
clock that never goes back.

Arrivals follow by conservation: what came in is what is there now, less what was there then, and what left meanwhile. The
stream's own sequence would tell the arrivals of all its consumers together (docs/adr/0023-arrivals-by-consumer.md).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

WINDOW = 10.0
"""Seconds over which arrivals are averaged."""

LEAST_SPAN = 3.0
"""Seconds that must lie between two looks before arrivals are told from them: workers report once a second, and what they
finished since is missing."""

HALF_LIFE = 60.0
"""Busy seconds after which what was measured of the service rate counts half."""

_LONGEST_SPAN = 3 * WINDOW


@dataclass(frozen=True)
class _Sample:
    at: float
    came: int
    """Messages in the queue and those that had left it by then: it grows by one with each arrival."""


class Arrivals:
    """Arrivals of one consumer, from looks at it."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()
        self._incarnation: object = None

    def note(self, at: float, *, load: int, finished: int, incarnation: object) -> None:
        """At ``at`` its queue had ``load`` messages, waiting or in hand, and ``finished`` had left it since some time. With
        another ``incarnation`` the consumer is another one, whose numbers say nothing about those before."""
        if incarnation != self._incarnation:
            self._samples.clear()
            self._incarnation = incarnation
        self._samples.append(_Sample(at, load + finished))
        while len(self._samples) > 1 and self._is_over(at):
            self._samples.popleft()

    def _is_over(self, now: float) -> bool:
        """Whether the window can do without the oldest look: another one is as old as the window is long, or it is from
        before a pause in looking that was too long to average over."""
        return self._samples[1].at <= now - WINDOW or self._samples[0].at < now - _LONGEST_SPAN

    def forget(self) -> None:
        """The consumer is gone."""
        self._samples.clear()
        self._incarnation = None

    @property
    def rate(self) -> float:
        """A second; 0 until enough is known. What an administrator removes looks like arrivals that did not happen, so it is
        never below 0."""
        if len(self._samples) < 2:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        span = last.at - first.at
        return max(0.0, (last.came - first.came) / span) if span >= LEAST_SPAN else 0.0


@dataclass
class ServiceRate:
    """Messages a second of one busy slot, from how long slots were busy and how many messages they finished.

    What was measured fades as slots are busy, and stays as it is while none is: a night without work says nothing about how
    fast work is. A job that goes on and on adds seconds without a completion, so that the rate falls."""

    completions: float = 0.0
    seconds: float = 0.0
    _begun: bool = field(default=False, repr=False)

    def note(self, elapsed: float, *, seconds: float, completions: int) -> None:
        """In the ``elapsed`` seconds since the last note, slots were busy for ``seconds`` in all and finished
        ``completions`` messages."""
        if seconds <= 0 and completions <= 0:
            return
        faded = 0.5 ** (max(0.0, min(elapsed, seconds)) / HALF_LIFE)
        self.completions = self.completions * faded + completions
        self.seconds = self.seconds * faded + seconds
        self._begun = self._begun or completions > 0

    def rate(self, expected_seconds: float) -> float | None:
        """A second, ``None`` while nothing was done. Until the first message is finished, it takes ``expected_seconds`` more
        than it took so far."""
        if self._begun:
            return _ratio(self.completions, self.seconds) or _ratio(1.0, expected_seconds)
        return 1.0 / (expected_seconds + self.seconds) if self.seconds > 0 else None


def _ratio(completions: float, seconds: float) -> float | None:
    """``None`` where it would not be a rate that anything can be divided by."""
    if completions <= 0 or seconds <= 0:
        return None
    rate = completions / seconds
    return rate if math.isfinite(rate) and rate > 0 else None
