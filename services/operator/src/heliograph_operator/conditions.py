"""The conditions of a ``StreamScaler``, and the Events of their coming and going. Pure.

``Ready``: all that a decision needs can be read, and the target is ours to scale. ``Scaling``: replicas are set as decided.
``SignalLost``, ``ConsumerMissing``, ``ConsumerPaused`` and ``Saturated`` are ``True`` where an engineer should look.
Messages name the remedy and a section of ``docs/runbooks/scaling.md``, and have no figures, which would change all the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from heliograph_operator.model import Signal


class Kind(StrEnum):
    """The types of conditions, in the order of the status."""

    READY = "Ready"
    SCALING = "Scaling"
    SIGNAL_LOST = "SignalLost"
    CONSUMER_MISSING = "ConsumerMissing"
    CONSUMER_PAUSED = "ConsumerPaused"
    SATURATED = "Saturated"


class Reason(StrEnum):
    """Why nothing is set. The first group holds whatever the signal says."""

    INVALID_SPEC = "InvalidSpec"
    TARGET_NOT_FOUND = "TargetNotFound"
    AUTOSCALER = "HorizontalPodAutoscaler"
    SHARED = "TargetShared"
    ACCESS_DENIED = "AccessDenied"
    API_SERVER = "ApiServerUnavailable"
    REFUSED = "Refused"
    INTERNAL = "InternalError"
    SIGNAL_LOST = "SignalLost"
    CONSUMER_MISSING = "ConsumerMissing"
    DRY_RUN = "DryRun"


RUNBOOK = "docs/runbooks/scaling.md"
"""Has a section for each type of condition, and in that of ``Ready`` each reason."""

_ENDS = {
    Kind.SIGNAL_LOST: "SignalRestored",
    Kind.CONSUMER_MISSING: "ConsumerFound",
    Kind.CONSUMER_PAUSED: "ConsumerResumed",
    Kind.SATURATED: "NoLongerSaturated",
}
"""The reasons of Events when conditions end that are ``True`` where something is wrong."""

UNKNOWN = "Unknown"

FEWEST = "Replicas stay as they are, spec.minReplicas and one at least"


@dataclass(frozen=True)
class Condition:
    """One condition. ``status`` is ``True``, ``False`` or ``Unknown``."""

    kind: Kind
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class Hold:
    """Why replicas are not set. ``message`` says what is wrong and what to do about it."""

    reason: Reason
    message: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one tick found. ``signal`` is ``None`` where it was not read or not had. ``lost`` says why it was not had for a
    while, ``waiting`` that it may be had in a moment: then nothing is said yet. ``saturated`` is ``None`` where nothing was
    decided."""

    hold: Hold | None = None
    signal: Signal | None = None
    lost: str = ""
    waiting: bool = False
    dry_run: bool = False
    saturated: bool | None = None


@dataclass(frozen=True)
class Note:
    """An Event to be."""

    kind: Literal["Normal", "Warning"]
    reason: str
    action: str
    message: str


def judge(findings: Findings, before: Mapping[str, Condition]) -> tuple[Condition, ...]:
    """All conditions. What cannot be told now stays as it was ``before``."""
    hold = holds(findings)
    waiting = findings.waiting and hold is None
    return (
        _kept(Kind.READY, before) if waiting else _ready(hold),
        _kept(Kind.SCALING, before) if waiting else _scaling(findings, hold),
        _signal_lost(findings, before),
        _consumers(Kind.CONSUMER_MISSING, findings, before),
        _consumers(Kind.CONSUMER_PAUSED, findings, before),
        _saturated(findings, before),
    )


def holds(findings: Findings) -> Hold | None:
    """Why the target is not to be scaled at all; ``None`` where it is, if only in a dry run."""
    if findings.hold is not None:
        return findings.hold
    if findings.lost:
        return Hold(Reason.SIGNAL_LOST, "The load is unknown; see the condition SignalLost.")
    if findings.signal is not None and findings.signal.missing:
        return Hold(Reason.CONSUMER_MISSING, "A consumer does not exist; see the condition ConsumerMissing.")
    return None


def notes(before: Mapping[str, Condition], now: Sequence[Condition]) -> list[Note]:
    """The Events that the changes are worth: each once."""
    found: list[Note] = []
    for condition in now:
        known = before.get(condition.kind)
        if condition.kind in _ENDS:
            found += _turned(condition, known)
        elif condition.kind is Kind.READY:
            found += _readiness(condition, known)
        else:
            found += _dry_runs(condition, known)
    return found


def render(
    condition: Condition, previous: Mapping[str, Any] | None, *, generation: int, at: str
) -> dict[str, str | int]:
    """As the status has it. ``lastTransitionTime`` is that of the last change of ``status``."""
    since = at
    if previous is not None and previous.get("status") == condition.status:
        since = str(previous.get("lastTransitionTime") or at)
    return {
        "type": str(condition.kind),
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }


def parse(rendered: Any) -> dict[str, Condition]:
    """The conditions of a status, by type. Those of other types and shapes are left out."""
    found: dict[str, Condition] = {}
    for item in rendered if isinstance(rendered, Sequence) else ():
        if not isinstance(item, Mapping) or item.get("type") not in list(Kind):
            continue
        status, reason, message = (str(item.get(key, "")) for key in ("status", "reason", "message"))
        found[str(item["type"])] = Condition(Kind(item["type"]), status, reason, message)
    return found


def _ready(hold: Hold | None) -> Condition:
    if hold is None:
        return Condition(Kind.READY, "True", "Ready", "Target and consumers are known, and the load is measured.")
    return Condition(Kind.READY, "False", hold.reason, _with_page(hold.message, Kind.READY))


def _scaling(findings: Findings, hold: Hold | None) -> Condition:
    if hold is not None:
        fewest = hold.reason in (Reason.SIGNAL_LOST, Reason.CONSUMER_MISSING) and not findings.dry_run
        text = FEWEST if fewest else "Replicas stay as they are"
        return Condition(Kind.SCALING, "False", hold.reason, f"{text}; see the condition Ready.")
    if findings.dry_run:
        text = (
            "Dry run: status.wantedReplicas shows the decision, and nothing is set. Set spec.dryRun to false to scale."
        )
        return Condition(Kind.SCALING, "False", Reason.DRY_RUN, text)
    signal = findings.signal
    if signal is not None and signal.paused and signal.stalled:
        return Condition(Kind.SCALING, "True", "Waiting", "A consumer is paused and all workers wait: replicas stay.")
    if signal is not None and signal.paused:
        return Condition(Kind.SCALING, "True", "OutOnly", "A consumer is paused: no replica is removed.")
    if signal is not None and signal.stalled:
        text = "All workers wait for a server or a credential, and more of them would wait too: none is added."
        return Condition(Kind.SCALING, "True", "WorkersStalled", text)
    return Condition(Kind.SCALING, "True", "Active", "Replicas follow the load.")


def _signal_lost(findings: Findings, before: Mapping[str, Condition]) -> Condition:
    if findings.lost:
        stay = "Replicas stay as they are" if findings.dry_run else FEWEST
        text = f"{findings.lost}. {stay} until it answers; check NATS and the operator's access to it."
        return Condition(Kind.SIGNAL_LOST, "True", "NoAnswer", _with_page(text, Kind.SIGNAL_LOST))
    if findings.signal is None:
        return _kept(Kind.SIGNAL_LOST, before)
    return Condition(Kind.SIGNAL_LOST, "False", "SignalRead", "NATS tells the load.")


def _consumers(kind: Kind, findings: Findings, before: Mapping[str, Condition]) -> Condition:
    signal = findings.signal
    if signal is None:
        return _kept(kind, before)
    missing = kind is Kind.CONSUMER_MISSING
    names = ", ".join(sorted(signal.missing if missing else signal.paused))
    if missing and names:
        text = f"No consumer {names} in the stream. Correct spec.consumers or spec.stream, or create it"
        return Condition(kind, "True", "NotFound", _with_page(text + ".", kind))
    if names:
        text = f"Paused: {names}. Its messages do not count, and no replica is removed; resume it with: nats consumer resume"
        return Condition(kind, "True", "Paused", _with_page(text + ".", kind))
    if missing:
        return Condition(kind, "False", "AllFound", "All consumers exist.")
    return Condition(kind, "False", "NonePaused", "No consumer is paused.")


def _saturated(findings: Findings, before: Mapping[str, Condition]) -> Condition:
    if findings.saturated is None:
        return _kept(Kind.SATURATED, before)
    if findings.saturated:
        text = (
            "More replicas are wanted than spec.maxReplicas allows, or were within spec.stabilizationSeconds. Raise the "
            "maximum if the nodes and servers can bear more."
        )
        return Condition(Kind.SATURATED, "True", "MaxReplicas", _with_page(text, Kind.SATURATED))
    return Condition(Kind.SATURATED, "False", "WithinBounds", "spec.maxReplicas is enough.")


def _kept(kind: Kind, before: Mapping[str, Condition]) -> Condition:
    return before.get(kind) or Condition(kind, UNKNOWN, "NotRead", "Not known yet.")


def _with_page(text: str, kind: Kind) -> str:
    return f"{text} Runbook: {RUNBOOK}#{kind.lower()}"


def _turned(condition: Condition, known: Condition | None) -> list[Note]:
    was, is_now = known is not None and known.status == "True", condition.status == "True"
    if is_now and not was:
        return [Note("Warning", condition.kind, "Check", condition.message)]
    if was and condition.status == "False":
        return [Note("Normal", _ENDS[condition.kind], "Check", condition.message)]
    return []


def _readiness(condition: Condition, known: Condition | None) -> list[Note]:
    """Of what no other condition tells."""
    told_elsewhere = {Reason.SIGNAL_LOST, Reason.CONSUMER_MISSING}
    before = known.reason if known is not None and known.status != UNKNOWN else "Ready"
    if condition.reason == before or condition.status == UNKNOWN:
        return []
    if condition.status == "True":
        return [] if before in told_elsewhere else [Note("Normal", "Ready", "Check", condition.message)]
    return [] if condition.reason in told_elsewhere else [Note("Warning", condition.reason, "Check", condition.message)]


def _dry_runs(condition: Condition, known: Condition | None) -> list[Note]:
    was, is_now = (one is not None and one.reason == Reason.DRY_RUN for one in (known, condition))
    if is_now and not was:
        return [Note("Normal", "DryRun", "Check", condition.message)]
    if was and condition.status == "True":
        return [Note("Normal", "DryRunEnded", "Check", condition.message)]
    return []
