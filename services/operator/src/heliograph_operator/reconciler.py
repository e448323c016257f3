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
from heliograph_operator.cluster.port import Cluster, ClusterError, Conflict, Scale
from heliograph_operator.conditions import Findings, Hold, Note, Reason, holds
from heliograph_operator.deletion_costs import spare_busy_pods
from heliograph_operator.floor import LOST, MISSING, floor_of
from heliograph_operator.law import Decision, decide, limits_of
from heliograph_operator.model import ScalerSpec, Signal, Target
from heliograph_operator.refusals import refused
from heliograph_operator.resources.store import Scaler, Store
from heliograph_operator.signal.reader import SignalLost
from heliograph_operator.status import State
from heliograph_operator.teller import TELL_SECONDS, Teller

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
        tell_seconds: float = TELL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        now: Clock = utc_now,
    ) -> None:
        self._cluster = cluster
        self._signals = signals
        self._store = store
        self._autoscalers = Autoscalers(cluster, clock=clock)
        self._acting = acting
        self._clock = clock
        self._now = now
        self._states: dict[str, State] = {}
        self._lost_since: dict[str, float] = {}
        self._teller = Teller(
            cluster,
            store,
            self._mine,
            figures_seconds=figures_seconds,
            tell_seconds=tell_seconds,
            clock=clock,
            now=now,
        )

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
            if self._teller.say(f"{scaler.name} tick", repr(error)):
                log.exception("tick failed", scaler=scaler.name)
            gauges.tick_failed("error")
            failed = True
            text = f"The operator failed at this resource ({type(error).__name__}); its log says where. Report it."
            look = _Look(scale=None, findings=Findings(hold=Hold(Reason.INTERNAL, text)))
        else:
            self._teller.fine(f"{scaler.name} tick", "tick works again")
        await self._teller.tell(scaler, state, look)
        return not failed

    def forget(self, keep: Collection[str] = ()) -> None:
        """Drops what is remembered of scalers, but for the names to ``keep``: they are gone, or another operator acts."""
        for name in [name for name in self._states if name not in keep]:
            del self._states[name]
            gauges.forget(name)
        self._lost_since = {name: since for name, since in self._lost_since.items() if name in keep}
        self._teller.forget(keep)

    def _mine(self, scaler: Scaler, state: State) -> bool:
        """Whether ``state`` was not dropped meanwhile, and this operator acts."""
        return self._acting() and self._states.get(scaler.name) is state

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
        saturated = state.saturation(decision.saturated, self._clock(), spec.stabilization_seconds)
        findings = _with(findings, saturated=saturated)
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
            return refused(error, target), None
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
                    await spare_busy_pods(self._cluster, scale.selector, busy, lambda: self._mine(scaler, state))
                if not self._mine(scaler, state) or not self._store.has(scaler):
                    return look
                await self._cluster.set_replicas(target, decision.replicas, scale.version)
        except Conflict:  # someone else changed it a moment ago; the next look sees how
            log.debug("target changed meanwhile", scaler=scaler.name)
            return look
        except ClusterError as error:
            return replace(look, findings=_with(look.findings, hold=refused(error, target)))
        self._scaled(scaler, state, decision, was)
        return replace(look, scale=replace(scale, wanted=decision.replicas))

    def _scaled(self, scaler: Scaler, state: State, decision: Decision, was: int) -> None:
        state.decided(decision, was, self._now(), dry_run=False)
        up = decision.replicas > was
        if self._mine(scaler, state):
            gauges.scaled(scaler.name, str(decision.term), up=up)
        text = f"{was} -> {decision.replicas} replicas ({decision.term}): {decision.message}"
        state.notes.append(Note("Normal", "ScaledUp" if up else "ScaledDown", "Scale", text))
        log.info(
            "scaled", scaler=scaler.name, was=was, replicas=decision.replicas, term=decision.term, why=decision.message
        )


def _with(findings: Findings, *, hold: Hold | None = None, saturated: bool | None = None) -> Findings:
    return Findings(
        hold=hold or findings.hold,
        signal=findings.signal,
        lost=findings.lost,
        waiting=findings.waiting,
        dry_run=findings.dry_run,
        saturated=findings.saturated if saturated is None else saturated,
    )
