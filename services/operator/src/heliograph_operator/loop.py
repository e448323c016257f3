"""Looks at each scaler again and again. One that hangs or fails holds up no other: each has a task of its own, a look may
take so long only, and the next begins where the last has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog

from heliograph_common.errors import Temporary
from heliograph_common.telemetry import metrics
from heliograph_operator import gauges
from heliograph_operator.reconciler import Reconciler
from heliograph_operator.resources.store import Scaler, Store

AT_ONCE = 32
"""How many scalers are looked at at a time."""
LOOK_SECONDS = 15.0
"""How long one look may take: each of its calls is bounded, and this bounds them together."""
STUCK_SECONDS = 30.0
"""Without a look that succeeds for so long, while it acts and there are scalers, the operator does not work."""
DEAD_SECONDS = 60.0
"""After so long it ends itself: it would renew its Lease for ever, and the other operator could not take over."""

TIMEOUT = "timeout"

log = structlog.get_logger(__name__)


class Election(Protocol):
    """Which operator acts."""

    @property
    def acting(self) -> bool:
        """Whether it is this one, now."""


class Loop:
    """A component."""

    name = "scaling"

    def __init__(
        self,
        store: Store,
        reconciler: Reconciler,
        election: Election,
        *,
        tick_seconds: float = 1.0,
        look_seconds: float = LOOK_SECONDS,
        stuck_seconds: float = STUCK_SECONDS,
        dead_seconds: float = DEAD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._reconciler = reconciler
        self._election = election
        self._tick_seconds = tick_seconds
        self._look_seconds = look_seconds
        self._stuck_seconds = stuck_seconds
        self._dead_seconds = dead_seconds
        self._clock = clock
        self._progressed_at = clock()
        self._acted = False
        self._failures: dict[str, str] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to look."""
        self._progressed_at = self._clock()
        self._task = asyncio.create_task(self._run(), name="scaling")

    async def stop(self, deadline_seconds: float) -> None:
        """Lets looks in hand finish for ``deadline_seconds``, then cancels them."""
        self._stopping.set()
        tasks = [task for task in (self._task, *self._looks.values()) if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=deadline_seconds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._reconciler.forget()
        metrics.operator_leader.set(0)

    async def died(self) -> None:
        """Raises when it looks no more, or acts and has not got anywhere for too long."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def check(self) -> None:
        """For ``Health``: raises when it acts and has not got anywhere for long."""
        age = self._clock() - self._progressed_at
        if age > self._stuck_seconds:
            raise Temporary(f"no look at a StreamScaler has succeeded for {age:.0f} s; see the operator's log")

    async def _run(self) -> None:
        while not self._stopping.is_set():
            began = self._clock()
            self.turn()
            if (age := self._clock() - self._progressed_at) > self._dead_seconds:
                raise Temporary(
                    f"no look has succeeded for {age:.0f} s; this operator ends, and another one takes over"
                )
            try:
                async with asyncio.timeout(max(0.0, self._tick_seconds - (self._clock() - began))):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    def turn(self) -> None:
        """Begins a look at each scaler that is not being looked at."""
        acting = self._election.acting
        self._acted_as(acting)
        scalers = self._store.scalers()
        self._reconciler.forget(keep={scaler.name for scaler in scalers} if acting else ())
        if not acting or not scalers:
            self._progressed_at = self._clock()
        for scaler in scalers:
            if scaler.name not in self._looks:
                task = asyncio.create_task(self._bounded(scaler, acting=acting), name=f"look {scaler.name}")
                self._looks[scaler.name] = task
                task.add_done_callback(partial(self._ended, scaler.name))

    def _ended(self, name: str, _: asyncio.Task[None]) -> None:
        del self._looks[name]

    def _acted_as(self, acting: bool) -> None:
        metrics.operator_leader.set(acting)
        if acting != self._acted:
            log.info("this operator acts" if acting else "this operator stands by")
            self._progressed_at = self._clock()
        self._acted = acting

    async def _bounded(self, scaler: Scaler, *, acting: bool) -> None:
        async with self._turns:
            began = self._clock()
            try:
                async with asyncio.timeout(self._look_seconds):
                    succeeded = await self._look(scaler, acting=acting)
            except TimeoutError:
                gauges.tick_failed("timeout")
                if self._failures.get(scaler.name) != TIMEOUT:
                    log.warning("look took too long", scaler=scaler.name, seconds=self._look_seconds)
                self._failures[scaler.name] = TIMEOUT
                return
            except Exception as error:
                gauges.tick_failed("error")
                if self._failures.get(scaler.name) != repr(error):  # once, not each second
                    log.exception("look failed", scaler=scaler.name)
                self._failures[scaler.name] = repr(error)
                return
            self._failures.pop(scaler.name, None)
            if succeeded:
                self._progressed_at = self._clock()
            if acting:
                metrics.observe(metrics.operator_tick_duration, self._clock() - began)

    async def _look(self, scaler: Scaler, *, acting: bool) -> bool:
        """Whether it succeeded; holding for a reason that is told is success."""
        if acting:
            return await self._reconciler.tick(scaler)
        await self._reconciler.stand_by(scaler)
        return True
