"""One look at one ``StreamScaler``, and what follows from it: replicas, status, Events. Whatever cannot be known or may not
be done holds the replicas as they are; only where the load is unknown for a while, the fewest are kept (``floor``).

It acts only while ``acting`` says so, which is asked again right before each write. What is remembered between looks is
either in the status, from where another operator goes on, or begins again safely: the law removes no replica before a whole
stabilization window has been seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from heliograph_common.clock import Clock, utc_now
from heliograph_common.telemetry.spans import scale_span
from heliograph_operator import gauges
from heliograph_operator.autoscalers import Autoscalers
from heliograph_operator.cluster.port import Cluster, ClusterError, Conflict, Forbidden, NotFound, Scale
from heliograph_operator.conditions import Condition, Findings, Hold, Note, Reason, holds, judge, notes
from heliograph_operator.deletion_costs import spare_busy_pods
from heliograph_operator.floor import LOST, MISSING, floor_of
from heliograph_operator.law import Decision, decide, limits_of
from heliograph_operator.model import ScalerSpec, Signal, Target
from heliograph_operator.resources.store import Scaler, Store
from heliograph_operator.signal.reader import SignalLost
from heliograph_operator.status import State, document, due

LOST_SECONDS = 5.0
"""How long the signal may be lost before that is said: replicas are held at once, but each connection begins without one.
So long a consumer may be missing, too, before the fewest replicas are kept."""

log = structlog.get_logger(__name__)


class Signals(Protocol):
    """Where the load is read."""

    async def look(self, spec: ScalerSpec) -> Signal:
        """The load now. Raises ``SignalLost``."""


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What one look found. ``scale`` is ``None`` where it was not had. ``decision`` is by the figures, ``floor`` without."""

    scale: Scale | None
    findings: Findings
    decision: Decision | None = None
    floor: Decision | None = None


class Reconciler:
    """``acting``: whether this operator may write. ``clock`` tells seconds that never go back, ``now`` the time of day."""

    def __init__(
        self,
        cluster: Cluster,
        signals: Signals,
        store: Store,
        *,
        acting: Callable[[], bool],
        figures_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        now: Clock = utc_now,
    ) -> None:
        self._cluster = cluster
        self._signals = signals
        self._store = store
        self._autoscalers = Autoscalers(cluster, clock=clock)
        self._acting = acting
        self._figures_seconds = figures_seconds
        self._clock = clock
        self._now = now
        self._states: dict[str, State] = {}
        self._lost_since: dict[str, float] = {}
        self._said: dict[str, str] = {}

    async def stand_by(self, scaler: Scaler) -> None:
        """Looks at the load without doing anything about it, so that its rates are known when this operator takes over."""
        if scaler.spec is not None:
            await self._signal(scaler.name, scaler.spec)

    async def tick(self, scaler: Scaler) -> bool:
        """Looks, decides, acts and tells. What is wrong with the cluster or NATS is told and not raised. Returns whether the
        operator itself did not fail."""
        state, failed = self._state(scaler), False
        try:
            look = await self._look(scaler, state)
            decision = look.decision or look.floor
            if decision is not None and look.scale is not None:
                look = await self._act(scaler, state, look, decision, look.scale)
        except Exception as error:  # a fault of one scaler is shown at it and holds it; the others go on
            if self._say(f"{scaler.name} tick", repr(error)):
                log.exception("tick failed", scaler=scaler.name)
            gauges.tick_failed("error")
            failed = True
            text = f"The operator failed at this resource ({type(error).__name__}); its log says where. Report it."
            look = _Look(scale=None, findings=Findings(hold=Hold(Reason.INTERNAL, text)))
        else:
            self._fine(f"{scaler.name} tick", "tick works again")
        await self._tell(scaler, state, look)
        return not failed

    def forget(self, keep: Collection[str] = ()) -> None:
        """Drops what is remembered of scalers, but for the names to ``keep``: they are gone, or another operator acts."""
        for name in [name for name in self._states if name not in keep]:
            del self._states[name]
            gauges.forget(name)
        for kept in (self._lost_since, self._said):
            for key in [key for key in kept if key.partition(" ")[0] not in keep]:
                del kept[key]

    def _state(self, scaler: Scaler) -> State:
        known = self._states.get(scaler.name)
        if known is None or known.uid != scaler.uid:
            known = self._states[scaler.name] = State.from_status(scaler.uid, scaler.status)
        return known

    async def _look(self, scaler: Scaler, state: State) -> _Look:
        spec = scaler.spec
        if spec is None:
            text = f"The spec is not valid: {scaler.error}. Correct it; until then the replicas stay as they are."
            return _Look(scale=None, findings=Findings(hold=Hold(Reason.INVALID_SPEC, text)))
        found, signal = await asyncio.gather(self._target(spec.target), self._signal(scaler.name, spec))
        if isinstance(signal, Signal):
            signal = state.filled(signal)
        hold, scale = found
        findings = Findings(
            hold=self._rivalry(scaler) or hold,
            signal=signal if isinstance(signal, Signal) else None,
            lost=signal if isinstance(signal, str) else "",
            waiting=signal is None,
            dry_run=spec.dry_run,
        )
        if scale is None or not isinstance(signal, Signal) or signal.missing:
            return _Look(scale=scale, findings=findings, floor=self._floor(spec, state, scale, findings))
        state.missing_since = None
        return self._decide(spec, state, scale, signal, findings)

    def _floor(self, spec: ScalerSpec, state: State, scale: Scale | None, findings: Findings) -> Decision | None:
        """What to go up to though the load is unknown, after a while."""
        missing = findings.signal is not None and bool(findings.signal.missing)
        if not missing:
            state.missing_since = None
        elif state.missing_since is None:
            state.missing_since = self._clock()
        lasts = state.missing_since is not None and self._clock() - state.missing_since >= LOST_SECONDS
        if scale is None or findings.hold is not None or findings.dry_run or not (findings.lost or lasts):
            return None
        return floor_of(spec, scale.wanted, LOST if findings.lost else MISSING)

    def _decide(self, spec: ScalerSpec, state: State, scale: Scale, signal: Signal, findings: Findings) -> _Look:
        decision, state.history = decide(
            limits_of(spec, signal),
            signal,
            state.history,
            scale.wanted,
            self._clock(),
            service_seconds=spec.service_seconds,
            no_scale_in=bool(signal.paused),
            no_scale_out=signal.stalled,
        )
        findings = _with(findings, saturated=decision.saturated)
        return _Look(scale=scale, findings=findings, decision=decision)

    def _rivalry(self, scaler: Scaler) -> Hold | None:
        if (rival := self._store.rival(scaler)) is None:
            return None
        text = (
            f"StreamScaler {rival} scales the same target and is older. Delete one of the two, or join their consumers."
        )
        return Hold(Reason.SHARED, text)

    async def _target(self, target: Target) -> tuple[Hold | None, Scale | None]:
        """The target's scale where it can be read, and why it is not to be set."""
        try:
            autoscaler, scale = await asyncio.gather(self._autoscalers.of(target), self._cluster.scale(target))
        except ClusterError as error:
            return _refused(error, target), None
        if autoscaler is None:
            return None, scale
        text = (
            f"HorizontalPodAutoscaler {autoscaler} scales {target.kind} {target.name}. Delete it, or this resource: "
            "two would undo each other's work."
        )
        if scale.wanted == 0:
            text += " At 0 replicas a HorizontalPodAutoscaler does nothing: scale the target to 1 by hand."
        return Hold(Reason.AUTOSCALER, text), scale

    async def _signal(self, name: str, spec: ScalerSpec) -> Signal | str | None:
        """Why it is lost, where it is; ``None`` where that is not said yet."""
        try:
            signal = await self._signals.look(spec)
        except SignalLost as error:
            since = self._lost_since.setdefault(name, self._clock())
            return str(error) if self._clock() - since >= LOST_SECONDS else None
        self._lost_since.pop(name, None)
        return signal

    async def _act(self, scaler: Scaler, state: State, look: _Look, decision: Decision, scale: Scale) -> _Look:
        """Sets replicas where that is due."""
        held = look.findings.hold if look.floor is not None else holds(look.findings)
        if held is not None or decision.replicas == scale.wanted or scaler.spec is None:
            return look
        if look.findings.dry_run:
            state.decided(decision, scale.wanted, self._now(), dry_run=True)
            return look
        target, was = scaler.spec.target, scale.wanted
        busy = look.findings.signal.busy if look.findings.signal is not None else {}
        backlog = look.findings.signal.backlog if look.findings.signal is not None else 0
        try:
            with scale_span(
                scaler.name,
                target=f"{target.kind}/{target.name}",
                was=was,
                to=decision.replicas,
                term=str(decision.term),
                backlog=backlog,
            ):
                if decision.replicas < was:
                    await spare_busy_pods(self._cluster, scale.selector, busy, self._acting)
                if not self._acting() or not self._store.has(scaler):
                    return look
                await self._cluster.set_replicas(target, decision.replicas, scale.version)
        except Conflict:  # someone else changed it a moment ago; the next look sees how
            log.debug("target changed meanwhile", scaler=scaler.name)
            return look
        except ClusterError as error:
            return replace(look, findings=_with(look.findings, hold=_refused(error, target)))
        self._scaled(scaler, state, decision, was)
        return replace(look, scale=replace(scale, wanted=decision.replicas))

    def _scaled(self, scaler: Scaler, state: State, decision: Decision, was: int) -> None:
        state.decided(decision, was, self._now(), dry_run=False)
        up = decision.replicas > was
        gauges.scaled(scaler.name, str(decision.term), up=up)
        text = f"{was} -> {decision.replicas} replicas ({decision.term}): {decision.message}"
        state.notes.append(Note("Normal", "ScaledUp" if up else "ScaledDown", "Scale", text))
        log.info(
            "scaled", scaler=scaler.name, was=was, replicas=decision.replicas, term=decision.term, why=decision.message
        )

    async def _tell(self, scaler: Scaler, state: State, look: _Look) -> None:
        """Metrics, Events and status."""
        conditions = judge(look.findings, state.conditions)
        changes = notes(state.conditions, conditions)
        state.notes += changes
        for change in changes:
            tell = log.warning if change.kind == "Warning" else log.info
            tell("condition changed", scaler=scaler.name, reason=change.reason, message=change.message)
        self._observe(scaler, look, conditions)
        await self._write(scaler, state, look, conditions)
        state.conditions = {condition.kind: condition for condition in conditions}
        await self._emit(scaler, state)

    def _observe(self, scaler: Scaler, look: _Look, conditions: Collection[Condition]) -> None:
        gauges.observe(
            scaler.name,
            replicas=look.scale.wanted if look.scale is not None else None,
            wanted=look.decision.wanted if look.decision is not None else None,
            signal=look.findings.signal,
            conditions=conditions,
        )

    async def _write(self, scaler: Scaler, state: State, look: _Look, conditions: tuple[Condition, ...]) -> None:
        """The status, where that is due. Where it fails it is due again at the next look."""
        status = document(
            state,
            generation=scaler.generation,
            replicas=look.scale.wanted if look.scale is not None else None,
            decision=look.decision,
            signal=look.findings.signal,
            conditions=conditions,
            held=holds(look.findings) is not None or look.findings.waiting,
            at=self._now(),
        )
        state.rendered = {condition["type"]: condition for condition in status["conditions"]}
        if not due(state, status, self._clock(), self._figures_seconds) or not self._acting():
            return
        try:
            await self._cluster.write_status(scaler.name, status)
        except NotFound:
            self._store.remove(scaler.name, scaler.uid)
        except ClusterError as error:
            if self._say(f"{scaler.name} status", type(error).__name__):
                log.warning("status not written; trying again", scaler=scaler.name, error=str(error))
        else:
            self._fine(f"{scaler.name} status", "status written again")
            state.written, state.written_at = status, self._clock()

    async def _emit(self, scaler: Scaler, state: State) -> None:
        """Each Event once, whether or not it succeeds: they are for people, and the status says the same."""
        due_now, state.notes = state.notes, []
        for note in due_now:
            if not self._acting():
                return
            try:
                await self._cluster.emit(
                    scaler.name,
                    scaler.uid,
                    kind=note.kind,
                    reason=note.reason,
                    action=note.action,
                    message=note.message,
                )
            except ClusterError as error:
                log.debug("event not written", scaler=scaler.name, reason=note.reason, error=str(error))

    def _say(self, key: str, text: str) -> bool:
        """Whether it is new."""
        known, self._said[key] = self._said.get(key), text
        return known != text

    def _fine(self, key: str, text: str) -> None:
        if self._said.pop(key, None) is not None:
            log.info(text, scaler=key.partition(" ")[0])


def _with(findings: Findings, *, hold: Hold | None = None, saturated: bool | None = None) -> Findings:
    return Findings(
        hold=hold or findings.hold,
        signal=findings.signal,
        lost=findings.lost,
        waiting=findings.waiting,
        dry_run=findings.dry_run,
        saturated=findings.saturated if saturated is None else saturated,
    )


def _refused(error: ClusterError, target: Target) -> Hold:
    if isinstance(error, NotFound):
        text = f"There is no {target.kind} {target.name} in this namespace. Create it, or correct spec.target."
        return Hold(Reason.TARGET_NOT_FOUND, text)
    if isinstance(error, Forbidden):
        text = f"The operator may not {error.right}. Add that to its Role: apply the chart's again."
        return Hold(Reason.ACCESS_DENIED, text)
    return Hold(Reason.API_SERVER, "The API server fails or refuses; the operator's log says at what. Trying again.")
