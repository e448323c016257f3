"""The arithmetic of rate limits: token buckets by the generic cell rate algorithm (ITU-T I.371, annex A). Pure.

A bucket is one figure, how long it takes until it is full again; ITU-T counts the moment when that is, the theoretical
arrival time. Every request that is allowed adds one ``interval`` to it, time takes it away again, and it may never exceed
``capacity``. ``store.py`` does the same sum in PostgreSQL and reads its answer with ``decision``; the fake for tests uses
``take``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

_LEAST = timedelta(microseconds=1)  # what PostgreSQL can tell apart
_NONE = timedelta()


@dataclass(frozen=True)
class Limit:
    """``quota`` requests in ``window_seconds`` for as long as one likes, and ``burst`` of them at once after a pause."""

    quota: int
    window_seconds: int
    burst: int

    @property
    def interval(self) -> timedelta:
        """After which one more request is allowed."""
        return max(_LEAST, timedelta(seconds=self.window_seconds) / self.quota)

    @property
    def capacity(self) -> timedelta:
        """After which an empty bucket is full."""
        return self.burst * self.interval


@dataclass(frozen=True)
class Decision:
    """What became of a request: whether it is ``allowed``, how many are after it, and the ``wait`` until one more is."""

    allowed: bool
    remaining: int
    wait: timedelta


def take(limit: Limit, full_in: timedelta) -> tuple[Decision, timedelta]:
    """What becomes of a request at a bucket that is full in ``full_in`` (nothing or less: it is), and of the bucket."""
    after = max(full_in, _NONE) + limit.interval
    if after > limit.capacity:
        return decision(limit, full_in, allowed=False), full_in
    return decision(limit, after, allowed=True), after


def decision(limit: Limit, full_in: timedelta, *, allowed: bool) -> Decision:
    """What there is to tell of a bucket that is full in ``full_in`` after the request was ``allowed``, or was not."""
    free = limit.capacity - max(full_in, _NONE)
    if not allowed:  # time has passed since: it may have become free meanwhile
        return Decision(False, 0, max(limit.interval - free, _NONE))
    return Decision(True, free // limit.interval, limit.interval - free % limit.interval)
