"""The operator: its law, with the signal as its workers and the servers tell it.

The consumers tell what waits and what is delivered at once; the workers' reports are up to a second old. Rates are as
``heliograph_operator.signal`` makes them.
"""

from __future__ import annotations

from collections import deque

from benchmarks.scaling.scenarios import Scenario
from benchmarks.scaling.simulation import Figures
from heliograph_operator import law
from heliograph_operator.law import Decision, History
from heliograph_operator.model import Limits, Signal

WINDOW_SECONDS = 10
"""Over which arrivals are counted."""
HALF_LIFE_SECONDS = 60.0
"""Of what was done, and of the busy seconds that it took."""


class Operator:
    """Decides each second."""

    idle_first = True

    def __init__(
        self,
        scenario: Scenario,
        *,
        drain_seconds: float = 20.0,
        stabilization_seconds: float = 90.0,
        utilization: float = 0.8,
    ) -> None:
        self._limits = Limits(
            minimum=scenario.minimum,
            maximum=scenario.maximum,
            drain_seconds=drain_seconds,
            slots=scenario.work.slots,
            utilization=utilization,
            stabilization_seconds=stabilization_seconds,
        )
        self._history = History()
        self._seen: deque[tuple[float, int]] = deque()
        self._reported: Figures | None = None
        self._done = self._busy = 0.0
        self.decision: Decision | None = None

    def look(self, figures: Figures) -> int:
        """The law's replicas; as they are while the signal is lost."""
        if not figures.visible:
            self._seen.clear()
            self._reported = None
            return figures.replicas
        signal = self._signal(figures)
        self.decision, self._history = law.decide(
            self._limits, signal, self._history, figures.replicas, figures.at, service_seconds=0.5
        )
        return self.decision.replicas

    def _signal(self, figures: Figures) -> Signal:
        backlog = figures.waiting + figures.in_hand
        before, self._reported = self._reported, figures
        reported = before or figures
        self._service(reported)
        self._seen.append((figures.at, backlog + figures.delayed + reported.completed))
        while figures.at - self._seen[0][0] > WINDOW_SECONDS + 0.5:
            self._seen.popleft()
        start, then = self._seen[0]
        seconds = figures.at - start
        return Signal(
            backlog=backlog,
            in_flight=figures.in_hand,
            arrival_rate=max(0.0, (self._seen[-1][1] - then) / max(seconds, WINDOW_SECONDS)),
            service_rate=self._done / self._busy if self._done >= 1 and self._busy > 0 else None,
            slots=self._limits.slots,
        )

    _last: tuple[float, int, float] | None = None

    def _service(self, reported: Figures) -> None:
        """What was done, and the busy seconds that it took, the older the less."""
        if self._last is not None:
            at, completed, busy = self._last
            decay = 0.5 ** ((reported.at - at) / HALF_LIFE_SECONDS)
            self._done = self._done * decay + reported.completed - completed
            self._busy = self._busy * decay + reported.busy_seconds - busy
        self._last = (reported.at, reported.completed, reported.busy_seconds)
