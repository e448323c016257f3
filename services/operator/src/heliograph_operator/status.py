"""The status of a ``StreamScaler``: what it says, and when that is worth a write. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from heliograph_common.clock import rfc3339
from heliograph_operator.conditions import Condition, Kind, Note, parse, render
from heliograph_operator.law import Decision, History
from heliograph_operator.model import Signal, Term

DECISIONS = 10
"""How many of the last decisions the status has."""

DRY_RUN = "Dry run: "

LARGEST = 1e15
"""Of figures that are no counts."""

TERM_SECONDS = 2.0
"""How far apart writes are for a term alone, which may change with every message."""


@dataclass
class State:
    """What is kept of one scaler from tick to tick. ``service_rate`` and ``slots``: the last that workers told, by the
    status of another operator too. ``missing_since``: when a consumer was first not found, ``below_since``: when the
    maximum was first enough again. ``written`` is
    the last status that the API server took, ``notes`` are Events to be, from ``emit_at`` on."""

    uid: str
    history: History = field(default_factory=History)
    conditions: dict[str, Condition] = field(default_factory=dict)
    rendered: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    decisions: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=DECISIONS))
    notes: list[Note] = field(default_factory=list)
    last_scale_time: str | None = None
    last_scale_reason: str | None = None
    service_rate: float | None = None
    slots: float | None = None
    missing_since: float | None = None
    below_since: float | None = None
    written: Mapping[str, Any] | None = None
    written_at: float = float("-inf")
    emit_at: float = float("-inf")

    @classmethod
    def from_status(cls, uid: str, status: Mapping[str, Any]) -> State:
        """Goes on from a status, whoever wrote it: what it tells is not told again."""
        state = cls(uid)
        state.conditions = parse(status.get("conditions"))
        for item in status.get("conditions") or ():
            state.rendered[str(item.get("type"))] = item
        state.decisions.extend(status.get("decisions") or ())
        state.last_scale_time = status.get("lastScaleTime")
        state.last_scale_reason = status.get("lastScaleReason")
        state.service_rate = _positive(status.get("serviceRate"))
        state.slots = _positive(status.get("slots"))
        return state

    def filled(self, signal: Signal) -> Signal:
        """``signal`` with what workers told before, where they tell nothing now; remembers what they do tell."""
        self.service_rate = signal.service_rate or self.service_rate
        self.slots = signal.slots or self.slots
        if (signal.service_rate, signal.slots) == (self.service_rate, self.slots):
            return signal
        return replace(signal, service_rate=self.service_rate, slots=self.slots)

    def saturation(self, saturated: bool, at: float, window: float) -> bool:
        """Whether it is to be said: at once, and until it has not been for a ``window``. Else a load around the maximum
        would be news each second, and no alert would ever fire that it has to last for."""
        said = self.conditions.get(Kind.SATURATED)
        if saturated or said is None or said.status != "True":
            self.below_since = None
            return saturated
        if self.below_since is None:
            self.below_since = at
        return at - self.below_since < window

    def decided(self, decision: Decision, replicas: int, at: datetime, *, dry_run: bool) -> None:
        """Adds a decision that changed replicas, or in a dry run would have. The same one is not added twice in a row."""
        last = self.decisions[-1] if self.decisions else {}
        told_before = str(last.get("message", "")).startswith(DRY_RUN)
        if dry_run and told_before and (last.get("from"), last.get("to")) == (replicas, decision.replicas):
            return
        entry: dict[str, Any] = {
            "time": rfc3339(at),
            "from": replicas,
            "to": decision.replicas,
            "wanted": decision.wanted,
            "term": str(decision.term),
            "message": (DRY_RUN if dry_run else "") + decision.message,
        }
        self.decisions.append(entry)
        if not dry_run:
            self.last_scale_time, self.last_scale_reason = entry["time"], f"{decision.term}: {decision.message}"


def document(
    state: State,
    *,
    generation: int,
    replicas: int | None,
    decision: Decision | None,
    signal: Signal | None,
    conditions: Sequence[Condition],
    held: bool,
    at: datetime,
) -> dict[str, Any]:
    """All of the status; what is not known is left out. ``replicas`` are those that are set now."""
    now = rfc3339(at)
    term = Term.HELD if held else decision.term if decision is not None else None
    found = {
        "observedGeneration": generation,
        "replicas": replicas,
        "wantedReplicas": decision.wanted if decision is not None else None,
        "term": str(term) if term is not None else None,
        "backlog": _count(signal.backlog) if signal is not None else None,
        "inFlight": _count(signal.in_flight) if signal is not None else None,
        "arrivalRate": _figure(signal.arrival_rate, 3) if signal is not None else None,
        "serviceRate": _figure(state.service_rate, 6) if state.service_rate is not None else None,
        "slots": _figure(state.slots, 3) if state.slots is not None else None,
        "lastScaleTime": state.last_scale_time,
        "lastScaleReason": state.last_scale_reason,
        "decisions": list(state.decisions),
        "conditions": [
            render(condition, state.rendered.get(condition.kind), generation=generation, at=now)
            for condition in conditions
        ],
    }
    return {key: value for key, value in found.items() if value is not None}


def due(state: State, new: Mapping[str, Any], at: float, figures_seconds: float) -> bool:
    """Whether ``new`` is to be written now: at once where something material changed, else for its figures now and then."""
    old, age = state.written, at - state.written_at
    if old is None or _material(old) != _material(new) or age >= figures_seconds:
        return True
    return old.get("term") != new.get("term") and age >= min(TERM_SECONDS, figures_seconds)


def _material(status: Mapping[str, Any]) -> list[Any]:
    keys = ("observedGeneration", "replicas", "decisions", "conditions")
    return [status.get(key) for key in keys]


def _positive(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _count(value: int) -> int:
    """Within what the definition allows (int64)."""
    return min(max(value, 0), 2**63 - 1)


def _figure(value: float, digits: int) -> float | None:
    """Within what can be written; ``None`` where it is no number."""
    return min(max(round(value, digits), 0.0), LARGEST) if not math.isnan(value) else None
