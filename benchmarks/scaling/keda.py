"""KEDA 2.19 with the scaler ``nats-jetstream``, and the HPA that it makes.

KEDA itself looks every ``pollingInterval`` (30 s), takes 0 to 1 as soon as the lag exceeds ``activationLagThreshold`` (0),
and takes all to 0 once it was inactive for ``cooldownPeriod`` (300 s), https://keda.sh/docs/2.19/reference/scaledobject-spec/.
Between 1 and the maximum the HPA scales by the lag a replica, ``lagThreshold`` (10),
https://keda.sh/docs/2.19/scalers/nats-jetstream/. The lag is ``num_pending`` plus ``num_ack_pending``, so what only waits
for a retry counts: ``getMaxMsgLag`` in https://github.com/kedacore/keda, ``pkg/scalers/nats_jetstream_scaler.go``.
"""

from __future__ import annotations

import random

from benchmarks.scaling import hpa
from benchmarks.scaling.scenarios import Scenario
from benchmarks.scaling.simulation import Figures

POLLING_SECONDS = 30.0
COOLDOWN_SECONDS = 300.0


class Keda:
    """One ScaledObject."""

    idle_first = False

    def __init__(self, scenario: Scenario, seed: int, *, lag_threshold: int = 10) -> None:
        spare = random.Random(f"keda {seed}")
        self._minimum = scenario.minimum
        self._threshold = lag_threshold
        self._behavior = hpa.Behavior(max(1, scenario.minimum), scenario.maximum)
        self._poll = spare.uniform(0, POLLING_SECONDS)
        self._sync = spare.uniform(0, hpa.SYNC_SECONDS)
        self._active_at = float("-inf")

    def look(self, figures: Figures) -> int:
        """KEDA's own loop, then the HPA's."""
        lag = figures.waiting + figures.in_hand + figures.delayed
        replicas = figures.replicas
        if figures.at >= self._poll:
            self._poll += POLLING_SECONDS
            replicas = self._activate(figures, lag)
        if figures.at >= self._sync:
            self._sync += hpa.SYNC_SECONDS
            if figures.visible and replicas:
                recommended = hpa.by_average(replicas, lag, self._threshold)
                replicas = self._behavior.apply(figures.at, replicas, recommended)
        return replicas

    def _activate(self, figures: Figures, lag: int) -> int:
        if not figures.visible:
            return figures.replicas
        if lag > 0:
            self._active_at = figures.at
            return max(figures.replicas, 1)
        if not self._minimum and figures.at - self._active_at > COOLDOWN_SECONDS:
            return 0
        return figures.replicas
