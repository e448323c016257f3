"""The HorizontalPodAutoscaler, after its documentation and source.

Formula, tolerance, pods without a sample, default behavior:
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/, and ``pkg/controller/podautoscaler`` in
https://github.com/kubernetes/kubernetes.
"""

from __future__ import annotations

import math
import random
from collections import deque

from benchmarks.scaling.scenarios import Scenario
from benchmarks.scaling.simulation import Figures, Pod

SYNC_SECONDS = 15.0
TOLERANCE = 0.1
STABILIZATION_SECONDS = 300.0
RESOLUTION_SECONDS = 15.0
"""Of metrics-server: a pod's sample is the mean of so long, and as old as that until the next one."""


def by_ratio(count: int, ratio: float) -> int:
    """``ceil(currentReplicas * currentMetricValue / desiredMetricValue)``, unless within the tolerance."""
    return count if abs(1 - ratio) <= TOLERANCE else math.ceil(count * ratio - 1e-9)


def by_average(replicas: int, total: float, target: float) -> int:
    """An external metric with a target of ``AverageValue``: the total over the target, unless within the tolerance."""
    return replicas if abs(1 - total / (target * replicas)) <= TOLERANCE else math.ceil(total / target - 1e-9)


def scale_up_limit(before: int) -> int:
    """The default policies within 15 s, whichever allows more: 100 %, 4 pods."""
    return max(2 * before, before + 4)


class Behavior:
    """What ``behavior`` defaults to: out at once within the limit; in by the most that was recommended within 300 s, then
    all at once."""

    def __init__(self, minimum: int, maximum: int) -> None:
        self._minimum, self._maximum = minimum, maximum
        self._recommended: deque[tuple[float, int]] = deque()

    def apply(self, at: float, replicas: int, recommended: int) -> int:
        """The replicas to have. Syncs are 15 s apart, so changes of the last period do not count for the limit of this."""
        self._recommended.append((at, recommended))
        while at - self._recommended[0][0] > STABILIZATION_SECONDS:
            self._recommended.popleft()
        if recommended < replicas:
            recommended = min(replicas, max(count for _, count in self._recommended))
        if recommended > replicas:
            recommended = min(recommended, scale_up_limit(replicas))
        return min(max(recommended, self._minimum), self._maximum)


class CpuAutoscaler:
    """An HPA on CPU with a target of 70 %: a busy slot takes a core, and a pod requests one a slot."""

    idle_first = False

    def __init__(self, scenario: Scenario, seed: int, *, target: float = 0.7) -> None:
        spare = random.Random(f"hpa {seed}")
        self._behavior = Behavior(max(1, scenario.minimum), scenario.maximum)
        self._slots, self._target = scenario.work.slots, target
        self._sync = spare.uniform(0, SYNC_SECONDS)
        self._scrape = spare.uniform(0, RESOLUTION_SECONDS)
        self._before: dict[Pod, float] = {}
        self._usage: dict[Pod, float] = {}

    def look(self, figures: Figures) -> int:
        """Samples and syncs, each every 15 s."""
        if figures.at >= self._scrape:
            self._scrape += RESOLUTION_SECONDS
            self._sample(figures)
        if figures.at < self._sync:
            return max(1, figures.replicas)
        self._sync += SYNC_SECONDS
        if not figures.visible or not figures.replicas:
            return max(1, figures.replicas)
        recommended = recommended_by_usage(
            figures.replicas, [self._usage.get(pod) for pod in figures.pods], self._target
        )
        return self._behavior.apply(figures.at, figures.replicas, recommended)

    def _sample(self, figures: Figures) -> None:
        """A pod has a sample once it was ready for a whole one."""
        self._usage = {
            pod: (pod.busy_seconds - self._before[pod]) / RESOLUTION_SECONDS / self._slots
            for pod in figures.pods
            if pod in self._before
        }
        self._before = {pod: pod.busy_seconds for pod in figures.pods if pod.ready_at is not None}


def recommended_by_usage(replicas: int, usages: list[float | None], target: float) -> int:
    """By the mean of ``usages``, parts of the request. A pod without a sample is set aside; to scale out it counts as idle,
    and if that turns the direction nothing changes."""
    known = [usage for usage in usages if usage is not None]
    if not known:
        return replicas
    ratio = sum(known) / len(known) / target
    if len(known) == len(usages) or ratio <= 1:
        return by_ratio(replicas, ratio) if len(known) == len(usages) else min(replicas, by_ratio(len(known), ratio))
    ratio = sum(known) / len(usages) / target
    if ratio <= 1 + TOLERANCE:
        return replicas
    return max(replicas, math.ceil(ratio * len(usages) - 1e-9))
