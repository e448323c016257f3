"""Pods, a queue and an autoscaler, event by event.

A pod takes a few seconds to start, then takes messages in their order, as many at a time as it has slots. One that is to go
takes no more, finishes what it has and counts until it is gone. An autoscaler looks every second at ``Figures``.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.scaling.scenarios import RETRY_DELAYS, Message, Scenario, arrivals

START_SECONDS = 5.0
"""Median from a pod's creation until it takes messages: scheduling, start of the container, start of the service (P9)."""
START_SIGMA = 0.3


class Pod:
    """One replica. ``busy``: messages in hand."""

    __slots__ = ("_since", "busy", "busy_seconds", "created", "ready_at", "stopping")

    def __init__(self, created: float) -> None:
        self.created = created
        self.ready_at: float | None = None
        self.stopping = False
        self.busy = 0
        self.busy_seconds = 0.0
        self._since = created

    def change(self, by: int, at: float) -> None:
        """Takes or finishes messages."""
        self.settle(at)
        self.busy += by

    def settle(self, at: float) -> None:
        """Counts ``busy_seconds`` up to ``at``."""
        self.busy_seconds += self.busy * (at - self._since)
        self._since = at


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What can be seen at ``at``. ``waiting``: to be delivered. ``in_hand``: being worked on. ``delayed``: wait for a retry.
    ``arrived``, ``completed``, ``busy_seconds``: since the start. ``replicas``: what the workload is set to. ``pods``: those
    that are not stopping. ``visible``: ``False`` while the signal is lost."""

    at: float
    waiting: int
    in_hand: int
    delayed: int
    arrived: int
    completed: int
    busy_seconds: float
    replicas: int
    pods: Sequence[Pod]
    visible: bool

    @property
    def ready(self) -> int:
        """Pods that take messages."""
        return sum(pod.ready_at is not None for pod in self.pods)


class Autoscaler(Protocol):
    """``idle_first``: whether it makes idle pods go first."""

    idle_first: bool

    def look(self, figures: Figures) -> int:
        """Called every second: the replicas to have."""


@dataclass
class Run:
    """What came of it. ``drain``: seconds from an onset until no message waited long any more, the longest of them.
    ``samples``: time, replicas, backlog, each second. ``changes``: time, from, to."""

    waits: list[float] = field(default_factory=list)
    drain: float = 0.0
    replica_seconds: float = 0.0
    samples: list[tuple[float, int, int]] = field(default_factory=list)
    changes: list[tuple[float, int, int]] = field(default_factory=list)
    untaken: int = 0


LATE_SECONDS = 5.0
"""A backlog is gone when no message waits longer than this any more."""

_KUBERNETES = 1.0
"""A second at most until pods follow a change of replicas."""


class Simulation:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario, autoscaler: Autoscaler, seed: int) -> None:
        self._scenario, self._autoscaler = scenario, autoscaler
        self._spare = random.Random(f"pods {scenario.name} {seed}")
        self._messages = arrivals(scenario, seed)
        self._queue: deque[Message] = deque()
        self._free: deque[Pod] = deque()
        self._pods: list[Pod] = []
        self._stopping: set[Pod] = set()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._replicas = scenario.minimum
        self._counted = 0.0
        self._arrived = self._completed = self._delayed = self._in_hand = 0
        self._gone_busy_seconds = 0.0
        self._run = Run()

    def run(self) -> Run:
        """To the end of the scenario."""
        for _ in range(self._scenario.minimum):
            self._ready(Pod(0.0), 0.0, new=True)
        self._at(self._spare.random(), self._look)
        incoming = iter(self._messages)
        message = next(incoming, None)
        while True:
            due = self._events[0][0]
            if message is not None and message.at <= due:
                self._arrive(message)
                message = next(incoming, None)
                continue
            if due > self._scenario.seconds:
                break
            at, _, action = heapq.heappop(self._events)
            action(at)
        self._count(self._scenario.seconds)
        return self._finished()

    def _finished(self) -> Run:
        """Those that still wait count with the time that they have waited."""
        run, end = self._run, self._scenario.seconds
        for message in self._messages:
            if message.waited is None:
                run.untaken += 1
                message.waited = end - message.at
            run.waits.append(message.waited)
            onset = max((onset for onset in self._scenario.onsets if onset <= message.at), default=None)
            if message.waited > LATE_SECONDS and onset is not None:
                run.drain = max(run.drain, message.at + message.waited - onset)
        return run

    def _at(self, at: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), action))

    def _arrive(self, message: Message) -> None:
        self._arrived += 1
        self._queue.append(message)
        self._dispatch(message.at)

    def _dispatch(self, at: float) -> None:
        while self._queue and self._free:
            pod = self._free.popleft()
            if not pod.stopping:
                self._take(self._queue.popleft(), pod, at)

    def _take(self, message: Message, pod: Pod, at: float) -> None:
        if message.waited is None:
            message.waited = at - message.at
        pod.change(1, at)
        self._in_hand += 1
        self._at(at + message.seconds, lambda now: self._done(message, pod, now))

    def _done(self, message: Message, pod: Pod, at: float) -> None:
        pod.change(-1, at)
        self._in_hand -= 1
        if message.poison and message.attempts < len(RETRY_DELAYS):
            self._delayed += 1
            self._at(at + RETRY_DELAYS[message.attempts], lambda now: self._due(message, now))
            message.attempts += 1
        else:
            self._completed += 1
        if not pod.stopping:
            self._free.append(pod)
        elif not pod.busy:
            self._gone(pod, at)
        self._dispatch(at)

    def _due(self, message: Message, at: float) -> None:
        self._delayed -= 1
        self._queue.appendleft(message)
        self._dispatch(at)

    def _look(self, at: float) -> None:
        for pod in self._pods:
            pod.settle(at)
        figures = self._figures(at)
        self._run.samples.append((at, self._replicas, len(self._queue) + self._in_hand))
        replicas = self._autoscaler.look(figures)
        if replicas != self._replicas:
            self._run.changes.append((at, self._replicas, replicas))
            self._replicas = replicas
            self._at(at + self._spare.random() * _KUBERNETES, self._follow)
        self._at(at + 1.0, self._look)

    def _figures(self, at: float) -> Figures:
        start, end = self._scenario.blind
        return Figures(
            at=at,
            waiting=len(self._queue),
            in_hand=self._in_hand,
            delayed=self._delayed,
            arrived=self._arrived,
            completed=self._completed,
            busy_seconds=self._gone_busy_seconds + sum(pod.busy_seconds for pod in (*self._pods, *self._stopping)),
            replicas=self._replicas,
            pods=self._pods,
            visible=not start <= at < end,
        )

    def _follow(self, at: float) -> None:
        """Kubernetes makes or stops pods: first those that are not ready, then idle ones where a deletion cost says so, then
        the youngest, https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down."""
        while len(self._pods) < self._replicas:
            pod = Pod(at)
            self._count(at)
            self._pods.append(pod)
            seconds = START_SECONDS * self._spare.lognormvariate(0, START_SIGMA)
            self._at(at + seconds, lambda now, pod=pod: self._ready(pod, now))  # type: ignore[misc]
        surplus = len(self._pods) - self._replicas
        if surplus > 0:
            idle_first = self._autoscaler.idle_first
            ranked = sorted(
                self._pods, key=lambda pod: (pod.ready_at is not None, pod.busy if idle_first else 0, -pod.created)
            )
            for pod in ranked[:surplus]:
                self._stop(pod, at)

    def _ready(self, pod: Pod, at: float, *, new: bool = False) -> None:
        if new:
            self._pods.append(pod)
        if pod.stopping:
            return
        pod.ready_at = at
        self._free.extend([pod] * self._scenario.work.slots)
        self._dispatch(at)

    def _stop(self, pod: Pod, at: float) -> None:
        self._count(at)
        self._pods.remove(pod)
        self._stopping.add(pod)
        pod.stopping = True
        if not pod.busy:
            self._gone(pod, at)

    def _gone(self, pod: Pod, at: float) -> None:
        self._count(at)
        pod.settle(at)
        self._gone_busy_seconds += pod.busy_seconds
        self._stopping.remove(pod)

    def _count(self, at: float) -> None:
        """Replica-seconds up to ``at``."""
        self._run.replica_seconds += (len(self._pods) + len(self._stopping)) * (at - self._counted)
        self._counted = at
