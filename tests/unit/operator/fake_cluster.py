"""The port ``Cluster`` in memory. ``tests/ports/test_cluster.py`` holds it to what the real one does."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from heliograph_operator.cluster.port import (
    ClusterUnavailable,
    Conflict,
    Forbidden,
    LeaseRecord,
    NotFound,
    Pod,
    Scale,
)
from heliograph_operator.model import Target


@dataclass
class FakeWorkload:
    """What a Deployment or a StatefulSet is to the operator; ``existing`` is for the test to move."""

    wanted: int
    existing: int
    version: int


@dataclass
class FakePod:
    """A pod of the workload ``app``."""

    app: str
    ready: bool = True
    terminating: bool = False
    finished: bool = False
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FakeEvent:
    """An Event about a scaler."""

    scaler: str
    uid: str
    kind: str
    reason: str
    action: str
    message: str


class FakeCluster:
    """A namespace. Tests change its objects as people and controllers do; ``unavailable`` and ``denied`` (rights such as
    ``list pods``) make calls fail, ``calls`` has the rights that were used, in order."""

    def __init__(self) -> None:
        self.workloads: dict[Target, FakeWorkload] = {}
        self.all_pods: dict[str, FakePod] = {}
        self.autoscalers: dict[str, Target] = {}
        self.statuses: dict[str, dict[str, Any] | None] = {}
        """By the names of all StreamScalers that there are."""
        self.specs: dict[str, dict[str, Any]] = {}
        self.events: list[FakeEvent] = []
        self.leases: dict[str, LeaseRecord] = {}
        self.unavailable = False
        self.denied: set[str] = set()
        self.calls: list[str] = []
        self.closed = False
        self._version = 0

    # What tests do

    def add_workload(self, target: Target, replicas: int = 1, existing: int | None = None) -> FakeWorkload:
        """Its pods are those of the app that has its name."""
        made = FakeWorkload(replicas, replicas if existing is None else existing, self._next())
        self.workloads[target] = made
        return made

    def add_scaler(self, name: str, **spec: Any) -> str:
        """A StreamScaler; returns its uid."""
        self.statuses[name] = None
        self.specs[name] = spec
        return f"uid-{name}"

    def set_by_hand(self, target: Target, replicas: int) -> None:
        """As a person does with ``kubectl scale``."""
        self.workloads[target].wanted = replicas
        self.workloads[target].version = self._next()

    def edit_lease(self, name: str, **fields: Any) -> None:
        """As a person does with ``kubectl edit``."""
        self.leases[name] = replace(self.leases[name], **fields, version=str(self._next()))

    # The port

    async def scale(self, target: Target) -> Scale:
        """The scale subresource."""
        self._call(f"get {target.kind.lower()}s/scale")
        found = self._workload(target)
        return Scale(found.wanted, found.existing, f"app={target.name}", str(found.version))

    async def set_replicas(self, target: Target, replicas: int, version: str) -> None:
        """With the version as a precondition."""
        self._call(f"patch {target.kind.lower()}s/scale")
        found = self._workload(target)
        if version != str(found.version):
            raise Conflict(f"{target.name}: the version is {found.version}")
        if replicas != found.wanted:
            self.set_by_hand(target, replicas)

    async def autoscaler_of(self, target: Target) -> str | None:
        """The first that scales it."""
        self._call("list horizontalpodautoscalers")
        return next((name for name, scaled in self.autoscalers.items() if scaled == target), None)

    async def pods(self, selector: str) -> Sequence[Pod]:
        """Of the selectors there are, it knows ``app=NAME``."""
        if not selector:
            return []
        self._call("list pods")
        app = selector.removeprefix("app=")
        return [
            Pod(name, _cost(pod), pod.ready, pod.terminating)
            for name, pod in self.all_pods.items()
            if pod.app == app and not pod.finished
        ]

    async def set_deletion_cost(self, pod: str, cost: int) -> None:
        """An annotation."""
        self._call("patch pods")
        if pod not in self.all_pods:
            raise NotFound(pod)
        self.all_pods[pod].annotations["controller.kubernetes.io/pod-deletion-cost"] = str(cost)

    async def write_status(self, scaler: str, status: Mapping[str, Any]) -> None:
        """Replaces it."""
        self._call("patch streamscalers/status")
        if scaler not in self.statuses:
            raise NotFound(scaler)
        self.statuses[scaler] = _without_none(copy.deepcopy(dict(status)))

    async def emit(
        self, scaler: str, uid: str, *, kind: Literal["Normal", "Warning"], reason: str, action: str, message: str
    ) -> None:
        """To ``events``."""
        self._call("create events")
        self.events.append(FakeEvent(scaler, uid, kind, reason, action, message))

    async def scalers(self) -> Sequence[Mapping[str, Any]]:
        """Those that were added."""
        self._call("list streamscalers")
        return [
            {"metadata": {"name": name, "uid": f"uid-{name}", "generation": 1}, "spec": spec}
            | ({"status": self.statuses[name]} if self.statuses[name] else {})
            for name, spec in self.specs.items()
        ]

    async def lease(self, name: str) -> LeaseRecord | None:
        """The Lease."""
        self._call("get leases")
        return self.leases.get(name)

    async def write_lease(self, name: str, record: LeaseRecord) -> LeaseRecord:
        """Creates or replaces it."""
        self._call("update leases" if record.version else "create leases")
        present = self.leases.get(name)
        if (present.version if present else "") != record.version:
            raise Conflict(f"{name}: it is {present} now")
        version = self._next()
        self.leases[name] = replace(record, version=str(version), uid=record.uid or f"uid-{version}")
        return self.leases[name]

    async def close(self) -> None:
        """Says so."""
        self.closed = True

    def _call(self, right: str) -> None:
        self.calls.append(right)
        if self.unavailable:
            raise ClusterUnavailable(f"{right}: the API server cannot be reached")
        if right in self.denied:
            raise Forbidden(right, f"{right}: denied")

    def _workload(self, target: Target) -> FakeWorkload:
        if target not in self.workloads:
            raise NotFound(target.name)
        return self.workloads[target]

    def _next(self) -> int:
        self._version += 1
        return self._version


def _cost(pod: FakePod) -> int | None:
    try:
        return int(pod.annotations["controller.kubernetes.io/pod-deletion-cost"])
    except (KeyError, ValueError):
        return None


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value
