"""A cluster and a signal that tests script, and a reconciler over both with a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from heliograph_operator.cluster.port import Conflict, LeaseRecord, NotFound, Pod, Scale
from heliograph_operator.model import ScalerSpec, Signal, Target
from heliograph_operator.reconciler import Reconciler
from heliograph_operator.resources.store import Store
from heliograph_operator.signal.reader import SignalLost
from heliograph_operator.teller import TELL_SECONDS

TARGET = Target("Deployment", "thumbnailer")
SPEC = ScalerSpec(
    target=TARGET,
    stream="WORK",
    consumers=("thumbnailer",),
    min_replicas=0,
    max_replicas=20,
    drain_seconds=20,
    stabilization_seconds=60,
    utilization=0.8,
    slots=1,
    service_seconds=1.0,
    dry_run=False,
)
IDLE = Signal(backlog=0, in_flight=0, arrival_rate=0.0, service_rate=1.0, slots=1.0)


@dataclass
class ScriptedCluster:
    """One workload. ``faults`` are raised by the calls that they name; ``before`` is awaited first by any call."""

    replicas: int = 1
    version: int = 1
    exists: bool = True
    autoscaler: str | None = None
    pods_there: list[Pod] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)
    before: Callable[[str], Awaitable[None]] | None = None
    calls: list[str] = field(default_factory=list)
    statuses: list[Mapping[str, Any]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    costs: dict[str, int] = field(default_factory=dict)
    set_to: list[int] = field(default_factory=list)

    async def _called(self, call: str) -> None:
        self.calls.append(call)
        if self.before is not None:
            await self.before(call)
        if call in self.faults:
            raise self.faults[call]

    async def scale(self, target: Target) -> Scale:
        await self._called("scale")
        if not self.exists:
            raise NotFound(target.name)
        return Scale(self.replicas, self.replicas, f"app={target.name}", str(self.version))

    async def set_replicas(self, target: Target, replicas: int, version: str) -> None:
        await self._called("set_replicas")
        if version != str(self.version):
            raise Conflict(target.name)
        self.replicas, self.version = replicas, self.version + 1
        self.set_to.append(replicas)

    async def autoscaler_of(self, target: Target) -> str | None:
        await self._called("autoscaler_of")
        return self.autoscaler

    async def pods(self, selector: str) -> Sequence[Pod]:
        await self._called("pods")
        return self.pods_there

    async def set_deletion_cost(self, pod: str, cost: int) -> None:
        await self._called("set_deletion_cost")
        if pod not in {one.name for one in self.pods_there}:
            raise NotFound(pod)
        self.costs[pod] = cost

    async def write_status(self, scaler: str, status: Mapping[str, Any]) -> None:
        await self._called("write_status")
        self.statuses.append(status)

    async def emit(
        self, scaler: str, uid: str, *, kind: Literal["Normal", "Warning"], reason: str, action: str, message: str
    ) -> None:
        self.events.append(reason)
        await self._called("emit")

    async def scalers(self) -> Sequence[Mapping[str, Any]]:
        await self._called("scalers")
        return []

    async def lease(self, name: str) -> LeaseRecord | None:
        return None

    async def write_lease(self, name: str, record: LeaseRecord) -> LeaseRecord:
        return record

    async def close(self) -> None:
        return


@dataclass
class ScriptedSignals:
    """Says ``signal``, or raises what ``lost`` says; ``hangs`` names streams whose look never ends."""

    signal: Signal = IDLE
    lost: str = ""
    hangs: set[str] = field(default_factory=set)
    fault: Exception | None = None
    looks: list[str] = field(default_factory=list)

    async def look(self, spec: ScalerSpec) -> Signal:
        self.looks.append(spec.stream)
        if spec.stream in self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        if self.lost:
            raise SignalLost(self.lost)
        return self.signal


def parse(spec: Mapping[str, Any]) -> ScalerSpec:
    """What tests need of a spec. Raises ``ValueError``."""
    if "invalid" in spec:
        raise ValueError(spec["invalid"])
    return replace(SPEC, **spec)


class ScriptedOperator:
    """A reconciler with one scaler, ``one``; time passes only by ``tick``."""

    def __init__(
        self,
        *,
        status: Mapping[str, Any] | None = None,
        replicas: int = 1,
        tell_seconds: float = TELL_SECONDS,
        **spec: Any,
    ) -> None:
        self.tell_seconds = tell_seconds
        self.seconds = 1000.0
        self.cluster = ScriptedCluster(replicas=replicas)
        self.signals = ScriptedSignals()
        self.store = Store(parse, clock=self.clock)
        self.acting = True
        self.put("one", status=status, **spec)
        self.reconciler = self.operator()

    def operator(self) -> Reconciler:
        """A new one on the same cluster, as after a restart."""
        return Reconciler(
            self.cluster,
            self.signals,
            self.store,
            acting=lambda: self.acting,
            tell_seconds=self.tell_seconds,
            clock=self.clock,
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds),
        )

    def clock(self) -> float:
        """Seconds of this harness."""
        return self.seconds

    def put(
        self, name: str, *, status: Mapping[str, Any] | None = None, generation: int = 1, created: str = "", **spec: Any
    ) -> None:
        """Creates or edits a scaler."""
        metadata = {"name": name, "uid": f"uid-{name}", "generation": generation, "creationTimestamp": created}
        self.store.put({"metadata": metadata, "spec": spec, "status": status or {}})

    async def tick(self, times: int = 1, *, every: float = 1.0) -> None:
        """So many looks at all scalers, a second apart."""
        for _ in range(times):
            for scaler in self.store.scalers():
                await self.reconciler.tick(scaler)
            self.seconds += every

    def load(self, backlog: int, *, in_flight: int = 0, **signal: Any) -> None:
        """What the signal says from now on."""
        self.signals.signal = replace(IDLE, backlog=backlog, in_flight=in_flight, **signal)

    @property
    def status(self) -> Mapping[str, Any]:
        """As it was written last."""
        return self.cluster.statuses[-1]

    def condition(self, kind: str) -> Mapping[str, Any]:
        """Of the status that was written last."""
        found: Mapping[str, Any] = next(one for one in self.status["conditions"] if one["type"] == kind)
        return found
