"""What comes: messages, when and how long each takes, by scenario and seed. The same for every autoscaler."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """Time that a message takes a slot: lognormal with ``mean`` seconds and ``sigma``. ``slots`` of a pod."""

    mean: float
    sigma: float
    slots: int

    def draw(self, spare: random.Random) -> float:
        """Seconds of one message."""
        return spare.lognormvariate(math.log(self.mean) - self.sigma**2 / 2, self.sigma)


THUMBNAILS = Work(mean=0.25, sigma=0.6, slots=2)
"""Between the 0.16 s of a picture of 3 MP and those of 12 and 50 MP (P1, P2), with the time of a busier machine."""

ANALYSES = Work(mean=20.0, sigma=0.6, slots=4)
"""A vision model's answers on a machine without a GPU."""

RETRY_DELAYS = (10.0, 30.0, 60.0, 120.0)
"""A message that fails comes back after these, and is dead after the last."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """``rate``: arrivals a second at a time, at most ``peak``. ``drops``: so many messages at once at a time. ``onsets``:
    from when times to drain are counted. ``poison``: the part of messages that always fail. ``blind``: from when to when no
    autoscaler sees any figure."""

    name: str
    seconds: float
    rate: Callable[[float], float]
    peak: float
    onsets: tuple[float, ...]
    work: Work = THUMBNAILS
    drops: tuple[tuple[float, int], ...] = ()
    poison: float = 0.0
    blind: tuple[float, float] = (0.0, 0.0)
    minimum: int = 1
    maximum: int = 50


@dataclass(slots=True)
class Message:
    """One message. ``waited``: seconds until its first attempt began, ``None`` until then."""

    at: float
    seconds: float
    poison: bool
    attempts: int = 0
    waited: float | None = None


def arrivals(scenario: Scenario, seed: int) -> list[Message]:
    """The messages by arrival: a Poisson process with a rate that changes, by thinning."""
    spare = random.Random(f"{scenario.name} {seed}")
    times = [at for at, count in scenario.drops for _ in range(count)]
    times += _poisson(scenario, spare)
    times.sort()
    return [Message(at, scenario.work.draw(spare), spare.random() < scenario.poison) for at in times]


def _poisson(scenario: Scenario, spare: random.Random) -> Iterator[float]:
    at = 0.0
    while (at := at + spare.expovariate(scenario.peak)) < scenario.seconds:
        if spare.random() * scenario.peak < scenario.rate(at):
            yield at


def _between(start: float, end: float, inside: float, outside: float) -> Callable[[float], float]:
    return lambda at: inside if start <= at < end else outside


def _ramp(at: float) -> float:
    """Up in five minutes, there for two, and away."""
    return 2 + 78 * min(max((at - 60) / 300, 0.0), 1.0) if at < 480 else 2.0


def _day(at: float) -> float:
    """A day in half an hour."""
    return 2 + 38 * math.sin(math.pi * at / 1800) ** 2


SCENARIOS = (
    Scenario(name="constant", seconds=1500, rate=lambda _: 20.0, peak=20, onsets=(0,)),
    Scenario(name="step", seconds=1100, rate=_between(60, 460, 80, 4), peak=80, onsets=(60,)),
    Scenario(name="ramp", seconds=1000, rate=_ramp, peak=80, onsets=(60,)),
    Scenario(name="burst", seconds=900, rate=lambda _: 2.0, peak=2, onsets=(60,), drops=((60.0, 3000),)),
    Scenario(name="diurnal", seconds=1800, rate=_day, peak=40, onsets=(0,)),
    Scenario(name="slow jobs", seconds=1500, rate=_between(60, 660, 3.0, 0.2), peak=3, onsets=(60,), work=ANALYSES),
    Scenario(name="poison", seconds=1200, rate=_between(60, 460, 40, 4), peak=40, onsets=(60,), poison=0.05),
    Scenario(
        name="signal loss",
        seconds=1000,
        rate=_between(60, 400, 60, 4),
        peak=60,
        onsets=(60, 160),
        drops=((160.0, 1000),),
        blind=(130.0, 190.0),
    ),
    Scenario(
        name="cold start",
        seconds=1500,
        rate=lambda at: 5.0 if 60 <= at < 180 or 900 <= at < 1020 else 0.0,
        peak=5,
        onsets=(60, 900),
        drops=((60.0, 200), (900.0, 200)),
        minimum=0,
    ),
)
