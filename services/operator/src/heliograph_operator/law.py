"""How many replicas a backlog needs: the control law of the operator, as arithmetic without input or output.

``slots = max((λ + W/T) / (u·μ), a + β·√a)``, ``a = λ/μ``: messages in hand at a time if none had to wait; ``W``: messages
that wait; ``T``: ``drain_seconds``; ``u``: ``utilization``. The second is the square-root rule of staffing (Halfin and
Whitt, https://doi.org/10.1287/opre.29.3.567). Never more than a slot a message, unless the arrivals need them.

Out at once. In by the most that was wanted within ``stabilization_seconds``, with a margin; at most half at a time; never
below the messages in hand, nor the pods that have some; the last replica alone. The bounds hold always. Times are seconds of
one monotonic clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from heliograph_operator.model import Limits, ScalerSpec, Signal, Term

BETA = 0.8
"""Spare slots, in standard deviations of the messages in hand: about one message in three has to wait a little."""

MARGIN = 0.15
"""Replicas go only if the ones that stay could do this much more than is wanted, so that noise does not bring them back."""

NOISE = 2.5
"""The same in standard deviations of the messages in hand, as far as these outlast the window that counts arrivals."""

SMOOTHING = 3.0
"""Service times after which an arrival counts half: what comes is averaged as long as the work itself averages it."""

LONGEST_SMOOTHING = 60.0
"""Seconds, however slow the work is, so that the end of a load shows."""

ARRIVALS_SECONDS = 10.0
"""Over which the signal counts arrivals."""

STEP_SECONDS = 10.0
"""From one scale-in to the next, so that the first one's effect is seen."""

GAP_SECONDS = 30.0
"""After this long without a decision, what was wanted before is not known: the window starts again."""

MOST = 1_000_000
"""More replicas are never wanted, whatever the figures say."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """``replicas`` to have. ``wanted``: by the figures alone, before bounds and stabilization. ``term``: what decided
    ``replicas``. ``saturated``: more is wanted than the maximum. ``message``: one line for people."""

    replicas: int
    wanted: int
    term: Term
    saturated: bool
    message: str


@dataclass(frozen=True)
class History:
    """What the law remembers. Start with ``History()``; keep what ``decide`` returns, also if the change could not be made.

    ``arrivals``: a second, on average. ``peaks``: when how many were to be kept, times ascending and numbers descending, so
    the first that is young enough is the maximum. ``at``: the last decision. ``step``: when the last scale-in was decided,
    and to how many."""

    arrivals: float = 0.0
    peaks: tuple[tuple[float, int], ...] = ()
    at: float | None = None
    step: tuple[float, int] | None = None


@dataclass(frozen=True)
class Demand:
    """``wanted`` replicas, and how many of those that exist are ``kept``."""

    wanted: int
    kept: int
    term: Term


def limits_of(spec: ScalerSpec, signal: Signal) -> Limits:
    """The limits of a spec, with the slots that workers tell."""
    slots = signal.slots
    return Limits(
        minimum=spec.min_replicas,
        maximum=spec.max_replicas,
        drain_seconds=spec.drain_seconds,
        slots=slots if slots is not None and math.isfinite(slots) and slots >= 1 else spec.slots,
        utilization=spec.utilization,
        stabilization_seconds=spec.stabilization_seconds,
    )


def decide(
    limits: Limits,
    signal: Signal,
    history: History,
    replicas: int,
    at: float,
    *,
    service_seconds: float,
    no_scale_in: bool = False,
    no_scale_out: bool = False,
) -> tuple[Decision, History]:
    """How many replicas to have at ``at``, where there are ``replicas`` now. ``service_seconds`` of a message hold while the
    signal has no service rate. ``no_scale_in``: a consumer is paused. ``no_scale_out``: all workers are stalled."""
    rate = _service_rate(signal, service_seconds)
    arrivals = _arrivals(signal, rate, history, at)
    demand = _demand(limits, signal, rate, arrivals)
    history = _remember(history, arrivals, demand.kept, replicas, at, limits.stabilization_seconds)
    target, term = demand.wanted, demand.term
    if target < replicas:
        target, term = _scale_in(limits, signal, history, replicas, demand, at)
    if (no_scale_in and target < replicas) or (no_scale_out and target > max(replicas, 1)):
        target, term = (replicas if target < replicas else max(replicas, 1)), Term.HELD
    target, term = _bounded(limits, target, term)
    if target < replicas and (target == 0 or _last_step(history, at) != target):
        history = replace(history, step=(at, target))
    decision = Decision(
        replicas=target,
        wanted=demand.wanted,
        term=term,
        saturated=demand.wanted > limits.maximum,
        message=_message(limits, signal, rate, demand, target, term),
    )
    return decision, history


def _arrivals(signal: Signal, rate: float, history: History, at: float) -> float:
    """Averaged over a few times what a message takes: of slow work few arrive in a window, so that chance shows."""
    arrivals = signal.arrival_rate if math.isfinite(signal.arrival_rate) else 0.0
    if not _goes_on(history, at):
        return max(0.0, arrivals)
    half_life = min(SMOOTHING / rate, LONGEST_SMOOTHING)
    old = 0.5 ** ((at - history.at) / half_life) if history.at is not None else 0.0
    return max(0.0, arrivals) * (1 - old) + history.arrivals * old


def _goes_on(history: History, at: float) -> bool:
    return history.at is not None and 0 <= at - history.at <= GAP_SECONDS


def _demand(limits: Limits, signal: Signal, rate: float, arrivals: float) -> Demand:
    """What the figures alone ask for."""
    backlog = max(0, signal.backlog)
    if not backlog and arrivals * limits.stabilization_seconds < 1:
        return Demand(0, 0, Term.WORK)
    load = arrivals / rate
    staffed = load + BETA * math.sqrt(load)
    steady = max(load / limits.utilization, staffed)
    waiting = max(0, backlog - signal.in_flight)
    drain = (arrivals + waiting / limits.drain_seconds) / (limits.utilization * rate)
    slots, term = (drain, Term.DRAIN) if waiting and drain > staffed else (max(drain, staffed), Term.ARRIVALS)
    work = max(steady, float(backlog))
    if slots > work:
        slots, term = work, Term.WORK
    noise = NOISE * math.sqrt(load / (1 + ARRIVALS_SECONDS * rate))
    return Demand(_replicas(slots, limits), _replicas(slots + max(slots * MARGIN, noise), limits), term)


def _replicas(slots: float, limits: Limits) -> int:
    """At least one: there is work."""
    return math.ceil(min(max(slots / limits.slots, 1.0), float(MOST)) - 1e-9)


def _remember(history: History, arrivals: float, kept: int, replicas: int, at: float, window: float) -> History:
    """Adds to the window. Where it starts, the replicas that there are count as wanted."""
    if not _goes_on(history, at):
        return History(arrivals, ((at, max(kept, replicas)),), at)
    young = tuple(peak for peak in history.peaks if at - peak[0] < window and peak[1] > kept)
    return replace(history, arrivals=arrivals, peaks=(*young, (at, kept)), at=at)


def _scale_in(
    limits: Limits, signal: Signal, history: History, replicas: int, demand: Demand, at: float
) -> tuple[int, Term]:
    """The most of what speaks for keeping replicas, at most all that there are."""
    floors = [(demand.wanted, demand.term)]
    floors.append((history.peaks[0][1], Term.STABILIZATION))
    floors.append((_in_use(limits, signal), Term.IN_FLIGHT))
    floors.append((replicas - replicas // 2 if replicas > 1 else 0, Term.STEP))
    floors.append((_last_step(history, at), Term.STEP))
    most, term = max(floors, key=lambda floor: floor[0])
    return min(most, replicas), term


def _in_use(limits: Limits, signal: Signal) -> int:
    """Replicas that messages in hand need: room for all, and each pod that has one. It would be given back otherwise."""
    busy = sum(in_hand > 0 for in_hand in signal.busy.values())
    return max(math.ceil(max(0, signal.in_flight) / limits.slots), busy)


def _last_step(history: History, at: float) -> int:
    """To how many a scale-in of the last ``STEP_SECONDS`` went; 0 if there was none."""
    return history.step[1] if history.step is not None and at - history.step[0] < STEP_SECONDS else 0


def _bounded(limits: Limits, target: int, term: Term) -> tuple[int, Term]:
    if target < limits.minimum:
        return limits.minimum, Term.MINIMUM
    if target > limits.maximum:
        return limits.maximum, Term.MAXIMUM
    return target, term


def _service_rate(signal: Signal, service_seconds: float) -> float:
    """Messages a second of one busy slot."""
    rate = signal.service_rate
    return rate if rate is not None and math.isfinite(rate) and rate > 1e-9 else 1 / service_seconds


def _figure(value: float) -> float:
    return value if math.isfinite(value) and value > 0 else 0.0


def _message(limits: Limits, signal: Signal, rate: float, demand: Demand, target: int, term: Term) -> str:
    per_slot = f"{rate:.1f}/s a slot" if rate >= 1 else f"{1 / rate:.1f} s each"
    in_hand = max(signal.in_flight, sum(signal.busy.values()))
    figures = f"{signal.backlog} messages, {_figure(signal.arrival_rate):.1f}/s arriving, {per_slot}"
    one = demand.wanted == 1
    replicas = "1 replica" if one else f"{demand.wanted} replicas"
    if not demand.wanted and term is Term.WORK:
        return f"{figures}: nothing to do"
    verdicts = {
        Term.DRAIN: f"{'drains' if one else 'drain'} it in {limits.drain_seconds:g} s",
        Term.ARRIVALS: f"{'keeps' if one else 'keep'} up with what arrives",
        Term.WORK: f"{'is' if one else 'are'} a slot for each",
        Term.IN_FLIGHT: f"wanted, {target} kept for {in_hand} messages in hand",
        Term.MINIMUM: f"wanted, the minimum is {target}",
        Term.MAXIMUM: f"wanted, the maximum is {target}",
        Term.STABILIZATION: f"wanted, {target} kept for the load of the last {limits.stabilization_seconds:g} s",
        Term.STEP: f"wanted, {target} for now: at most half go at a time",
        Term.HELD: f"wanted, {target} held",
    }
    return f"{figures}: {replicas} {verdicts[term]}"
