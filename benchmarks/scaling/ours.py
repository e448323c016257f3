"""The operator: its law, with the signal as its workers and the servers tell it.

The consumers tell what waits and what is delivered as it is now, the workers' reports as it was a second ago. The rates are
those of the product.
"""

from __future__ import annotations

from benchmarks.scaling.scenarios import Scenario
from benchmarks.scaling.simulation import Figures
from heliograph_operator import law
from heliograph_operator.law import Decision, History
from heliograph_operator.model import Limits, Signal
from heliograph_operator.signal.rates import Arrivals, ServiceRate

SERVICE_SECONDS = 0.5
"""What a message is expected to take until some were done."""


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
        self._arrivals, self._service = Arrivals(), ServiceRate()
        self._reported: Figures | None = None
        self._noted = (0.0, 0, 0.0)
        self.decision: Decision | None = None

    def look(self, figures: Figures) -> int:
        """The law's replicas; as they are while the signal is lost."""
        if not figures.visible:
            self._reported = None
            return figures.replicas
        signal = self._signal(figures)
        self.decision, self._history = law.decide(
            self._limits, signal, self._history, figures.replicas, figures.at, service_seconds=SERVICE_SECONDS
        )
        return self.decision.replicas

    def _signal(self, figures: Figures) -> Signal:
        before, self._reported = self._reported, figures
        backlog = figures.waiting + figures.in_hand
        reported = before or figures
        self._arrivals.note(figures.at, load=backlog + figures.delayed, finished=reported.completed, incarnation=None)
        self._note(reported)
        return Signal(
            backlog=backlog,
            in_flight=figures.in_hand,
            arrival_rate=self._arrivals.rate,
            service_rate=self._service.rate(SERVICE_SECONDS),
            slots=self._limits.slots,
        )

    def _note(self, reported: Figures) -> None:
        at, completed, busy = self._noted
        self._service.note(
            reported.at - at, seconds=reported.busy_seconds - busy, completions=reported.completed - completed
        )
        self._noted = (reported.at, reported.completed, reported.busy_seconds)
