"""How much a worker has to do: slots in use, for how long, and messages that it was done with. Kept while it works, read
once a second (``worker_reports``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMPLETED = frozenset({"ack", "repeated", "dead"})
"""Outcomes after which a message does not come again."""


class Workload:
    """The counts of one worker. ``taking``: whether it would take a message if one came. ``stopping``: whether it only
    finishes what it has."""

    def __init__(
        self,
        consumer: str,
        slots: int,
        taking: Callable[[], bool],
        *,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.consumer = consumer
        self.slots = slots
        self.busy = 0
        """Slots in use."""
        self.stalled = 0
        """Of them, those that wait for a server that is away."""
        self.completions = 0
        self._taking = taking
        self._stopping = stopping
        self._clock = clock
        self._seconds = 0.0
        self._counted_to = clock()

    @property
    def taking(self) -> bool:
        """Whether it would take a message if one came."""
        return self._taking()

    @property
    def stopping(self) -> bool:
        """Whether it only finishes what it has, and then ends."""
        return self._stopping()

    @property
    def busy_seconds(self) -> float:
        """Time that slots were in use, summed over slots; jobs that still run included, waiting for servers left out."""
        self._count()
        return self._seconds

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Around a message in a slot."""
        self._count()
        self.busy += 1
        try:
            yield
        finally:
            self._count()
            self.busy -= 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around waiting for a server, within ``handling``."""
        self._count()
        self.stalled += 1
        try:
            yield
        finally:
            self._count()
            self.stalled -= 1

    def ended(self, outcome: str) -> None:
        """A message was settled, or left to come again."""
        if outcome in COMPLETED:
            self.completions += 1

    def _count(self) -> None:
        now = self._clock()
        self._seconds += (self.busy - self.stalled) * (now - self._counted_to)
        self._counted_to = now
