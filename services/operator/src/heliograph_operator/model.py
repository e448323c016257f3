"""What the parts of the operator tell one another. Data only; rates are a second, times seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Target:
    """The workload that is scaled: ``apps/v1`` ``Deployment`` or ``StatefulSet``."""

    kind: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the law keeps to. ``slots``: messages that one replica handles at a time. ``utilization``: the part of the slots'
    capacity that is planned with, above 0 and at most 1. ``drain_seconds``: the time in which a backlog is to be gone."""

    minimum: int
    maximum: int
    drain_seconds: float
    slots: float
    utilization: float
    stabilization_seconds: float


@dataclass(frozen=True, kw_only=True)
class ScalerSpec:
    """The ``spec`` of a ``StreamScaler``. ``slots`` and ``service_seconds`` (a message) hold until workers tell theirs."""

    target: Target
    stream: str
    consumers: tuple[str, ...]
    min_replicas: int
    max_replicas: int
    drain_seconds: float
    stabilization_seconds: float
    utilization: float
    slots: int
    service_seconds: float
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What the consumers of one scaler and their workers tell at one time.

    ``backlog``: messages that wait or are being worked on, without those that wait for a delayed retry or are of paused
    consumers. ``in_flight``: of them, those that workers have in hand. ``arrival_rate``: a second. ``service_rate``:
    messages a second of one busy slot, ``None`` until some were done. ``slots``: of one replica, ``None`` until one tells.
    ``busy``: messages in hand by the host name of the worker, which is its pod's name; of a silent one those that it last
    told. ``stalled``: whether all workers
    that there are wait for a server or a credential, so that more of them would do no more. ``missing`` and ``paused``
    name consumers. ``workers``: processes that report, without those that stop."""

    backlog: int
    in_flight: int
    arrival_rate: float
    service_rate: float | None
    slots: float | None
    busy: Mapping[str, int] = field(default_factory=dict)
    stalled: bool = False
    missing: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    workers: int = 0


class Term(StrEnum):
    """What decided about a number of replicas, as the status shows it."""

    DRAIN = "Drain"
    """Arrivals and the backlog over ``drain_seconds``."""
    ARRIVALS = "Arrivals"
    """The square-root rule of staffing: spare capacity for the arrivals' chance."""
    WORK = "Work"
    """No more replicas than there is work for."""
    IN_FLIGHT = "InFlight"
    """Not below the messages in hand."""
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    STABILIZATION = "Stabilization"
    """The maximum that was wanted within the window."""
    STEP = "Step"
    """At most half of the replicas go at a time, and the last one alone."""
    HELD = "Held"
    """Nothing is known or may be done that would justify a change; a condition says why."""
