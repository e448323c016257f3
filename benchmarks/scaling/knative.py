"""Knative's pod autoscaler (KPA), as if each message were a request that waits for a pod.

https://knative.dev/docs/serving/autoscaling/kpa-specific/, https://knative.dev/docs/serving/autoscaling/scale-to-zero/, and
``Scale`` in https://github.com/knative/serving, ``pkg/autoscaler/scaling/autoscaler.go``. Concurrency is limited to the
slots, of which 70 % are the target (``container-concurrency-target-percentage``). That its queue is
not durable is not simulated.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from benchmarks.scaling.scenarios import Scenario
from benchmarks.scaling.simulation import Figures

TICK_SECONDS = 2.0
STABLE_SECONDS = 60
PANIC_SECONDS = 6
PANIC_THRESHOLD = 2.0
MAX_SCALE_UP_RATE = 1000.0
MAX_SCALE_DOWN_RATE = 2.0
GRACE_SECONDS = 30.0
TARGET = 0.7


@dataclass
class Panic:
    """``since``: when the threshold was exceeded last. ``most``: the most pods that were wanted meanwhile."""

    since: float | None = None
    most: int = 0


def scale(at: float, ready: int, stable: float, panicking: float, target: float, panic: Panic) -> int:
    """Pods for a mean concurrency of ``stable`` and of ``panicking`` in the two windows, ``target`` a pod."""
    count = max(1, ready)
    most, least = math.ceil(MAX_SCALE_UP_RATE * count), math.floor(count / MAX_SCALE_DOWN_RATE)
    by_stable, by_panic = math.ceil(stable / target), math.ceil(panicking / target)
    over = by_panic / count >= PANIC_THRESHOLD
    if over:
        panic.since = at
    elif panic.since is not None and at - panic.since > STABLE_SECONDS:
        panic.since, panic.most = None, 0
    wanted = min(max(by_stable, least), most)
    if panic.since is None:
        return wanted
    panic.most = max(panic.most, wanted, min(max(by_panic, least), most))
    return panic.most


class Knative:
    """One revision."""

    idle_first = False

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._minimum, self._maximum = scenario.minimum, scenario.maximum
        self._target = TARGET * scenario.work.slots
        self._tick = (seed * 0.7) % TICK_SECONDS
        self._concurrency: deque[int] = deque(maxlen=STABLE_SECONDS)
        self._panic = Panic()
        self._idle_since: float | None = None

    def look(self, figures: Figures) -> int:
        """A sample a second, a decision every two; from zero at once, as the activator tells of the first request."""
        waiting = figures.waiting + figures.in_hand
        if not figures.visible:
            return figures.replicas
        self._concurrency.append(waiting)
        if figures.at < self._tick and (figures.replicas or not waiting):
            return figures.replicas
        self._tick = max(self._tick, figures.at) + TICK_SECONDS - 0.5
        stable = sum(self._concurrency) / len(self._concurrency)
        recent = list(self._concurrency)[-PANIC_SECONDS:]
        wanted = scale(figures.at, figures.ready, stable, sum(recent) / len(recent), self._target, self._panic)
        return min(max(self._grace(figures, wanted, stable), self._minimum), self._maximum)

    def _grace(self, figures: Figures, wanted: int, stable: float) -> int:
        """The last pod stays until nothing came for the stable window and the grace period."""
        if wanted or not figures.replicas:
            self._idle_since = None
            return wanted
        if self._idle_since is None:
            self._idle_since = figures.at
        return 0 if figures.at - self._idle_since >= GRACE_SECONDS and not stable else 1
