"""Tells what a look found: metrics, log, status and Events. The API server may hang or refuse: then nothing is lost that is
to be told, and the look goes on after some seconds.

Nothing is told for a state that is not the scaler's any more (``mine``): another operator may tell it by now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from heliograph_common.clock import Clock
from heliograph_operator import gauges
from heliograph_operator.cluster.port import Cluster, ClusterError, ClusterUnavailable, NotFound, Scale
from heliograph_operator.conditions import Condition, Findings, holds, judge, notes
from heliograph_operator.law import Decision
from heliograph_operator.resources.store import Scaler, Store
from heliograph_operator.status import State, document, due
from heliograph_operator.unheard import Unheard

TELL_SECONDS = 3.0
"""What the status may take of a look, and the Events the same."""
AGAIN_SECONDS = 10.0
"""After an Event that could not be written, until the next is tried: the look has better things to wait for."""
MOST_NOTES = 50
"""How many Events wait at most; the oldest go first. The status says how things are now in any case."""

log = structlog.get_logger(__name__)


class Look(Protocol):
    """What one look found. ``scale`` and ``decision`` are ``None`` where they were not had."""

    @property
    def scale(self) -> Scale | None:
        """Of the target."""

    @property
    def findings(self) -> Findings:
        """For the conditions."""

    @property
    def decision(self) -> Decision | None:
        """By the figures."""


class Teller:
    """``mine``: whether the state is the present one of the scaler, and this operator acts."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        mine: Callable[[Scaler, State], bool],
        *,
        figures_seconds: float,
        tell_seconds: float = TELL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        now: Clock,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._mine = mine
        self._figures_seconds = figures_seconds
        self._tell_seconds = tell_seconds
        self._clock = clock
        self._now = now
        self._said: dict[str, str] = {}
        self._unheard = Unheard(clock)

    async def tell(self, scaler: Scaler, state: State, look: Look) -> None:
        """All of it, as far as it is due. Events that cannot be written now wait in the state."""
        if not self._mine(scaler, state):
            return
        conditions = judge(look.findings, state.conditions)
        self._log(scaler, state, look.findings, conditions)
        state.conditions = {condition.kind: condition for condition in conditions}
        if look.scale is not None and look.findings.signal is not None:
            self._unheard.note(scaler.name, replicas=look.scale.existing, workers=look.findings.signal.workers)
        gauges.observe(
            scaler.name,
            replicas=look.scale.wanted if look.scale is not None else None,
            wanted=look.decision.wanted if look.decision is not None else None,
            signal=look.findings.signal,
            conditions=conditions,
        )
        await self._write(scaler, state, look, conditions)
        await self._emit(scaler, state)

    def say(self, key: str, text: str) -> bool:
        """Whether it is new. ``key`` begins with the scaler's name."""
        known, self._said[key] = self._said.get(key), text
        return known != text

    def fine(self, key: str, text: str) -> None:
        """What was said is over."""
        if self._said.pop(key, None) is not None:
            log.info(text, scaler=key.partition(" ")[0])

    def forget(self, keep: Collection[str]) -> None:
        """What was said of all scalers but these."""
        self._unheard.forget(keep)
        self._said = {key: text for key, text in self._said.items() if key.partition(" ")[0] in keep}

    def _log(self, scaler: Scaler, state: State, findings: Findings, conditions: tuple[Condition, ...]) -> None:
        changes = notes(state.conditions, conditions)
        state.notes = [*state.notes, *changes][-MOST_NOTES:]
        for change in changes:
            tell = log.warning if change.kind == "Warning" else log.info
            tell("condition changed", scaler=scaler.name, reason=change.reason, message=change.message)
        hold = findings.hold
        if hold is None:
            self.fine(f"{scaler.name} hold", "not held any more")
        elif self.say(f"{scaler.name} hold", hold.message) and hold.reason not in {one.reason for one in changes}:
            log.warning("held", scaler=scaler.name, reason=hold.reason, message=hold.message)

    async def _write(self, scaler: Scaler, state: State, look: Look, conditions: tuple[Condition, ...]) -> None:
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
        if not due(state, status, self._clock(), self._figures_seconds):
            return
        try:
            async with asyncio.timeout(self._tell_seconds):
                await self._cluster.write_status(scaler.name, status)
        except NotFound:
            self._store.remove(scaler.name, scaler.uid)
        except (ClusterError, TimeoutError) as error:
            text = str(error) or f"no answer within {self._tell_seconds:g} s"
            if self.say(f"{scaler.name} status", text):
                log.warning("status not written; trying again", scaler=scaler.name, error=text)
        else:
            self.fine(f"{scaler.name} status", "status written again")
            state.written, state.written_at = status, self._clock()

    async def _emit(self, scaler: Scaler, state: State) -> None:
        """Each Event once; one that is refused is dropped, for the status says the same. One that got no answer stays."""
        if self._clock() < state.emit_at:
            return
        try:
            async with asyncio.timeout(self._tell_seconds):
                while state.notes and self._mine(scaler, state):
                    await self._emit_first(scaler, state)
        except (ClusterUnavailable, TimeoutError) as error:
            state.emit_at = self._clock() + AGAIN_SECONDS
            log.debug("events wait", scaler=scaler.name, count=len(state.notes), error=str(error))

    async def _emit_first(self, scaler: Scaler, state: State) -> None:
        note = state.notes[0]
        try:
            await self._cluster.emit(
                scaler.name,
                scaler.uid,
                kind=note.kind,
                reason=note.reason,
                action=note.action,
                message=note.message,
            )
        except ClusterUnavailable:
            raise
        except ClusterError as error:
            log.debug("event not written", scaler=scaler.name, reason=note.reason, error=str(error))
        state.notes.pop(0)
