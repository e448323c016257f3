"""What the operator asks of a Kubernetes API server. Every call is bounded; ``cluster.kubernetes`` is the real one and
``tests/unit/operator/fake_cluster.py`` a fake; one suite runs over both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from heliograph_common.errors import HeliographError
from heliograph_operator.model import Target


class ClusterError(HeliographError):
    """The API server refused or failed; the message names what was asked."""


class ClusterUnavailable(ClusterError):
    """It cannot be reached, is overloaded or fails: the same may work a little later."""


class Forbidden(ClusterError):
    """The operator's role lacks a right. ``right`` is what to add, such as ``patch deployments/scale``."""

    def __init__(self, right: str, message: str) -> None:
        super().__init__(message)
        self.right = right


class NotFound(ClusterError):
    """It does not exist."""


class Conflict(ClusterError):
    """It was changed since it was read."""


@dataclass(frozen=True)
class Scale:
    """A workload's replicas: ``wanted`` (spec), ``existing`` (status, those that start or stop included), the label selector
    of its pods, and the version that ``set_replicas`` must meet."""

    wanted: int
    existing: int
    selector: str
    version: str


@dataclass(frozen=True)
class Pod:
    """``deletion_cost`` is ``None`` where it is not set or no number; ``ready`` as its condition says."""

    name: str
    deletion_cost: int | None
    ready: bool
    terminating: bool


@dataclass(frozen=True)
class LeaseRecord:
    """A Lease. ``holder`` is empty where it was released, ``version`` where there was none yet. ``acquired`` and ``renewed``
    are by the holder's clock: for people to read, never to decide by. ``uid`` is of this Lease and no other of its name."""

    holder: str
    seconds: int
    renewed: datetime | None
    transitions: int
    version: str
    acquired: datetime | None = None
    uid: str = ""


class Cluster(Protocol):
    """Objects of one namespace. All calls raise ``ClusterUnavailable`` and ``Forbidden``; what else is said at each. What
    the API server refuses for another reason, such as a quota, is a plain ``ClusterError``."""

    async def scale(self, target: Target) -> Scale:
        """The scale subresource. Raises ``NotFound``."""

    async def set_replicas(self, target: Target, replicas: int, version: str) -> None:
        """Through the scale subresource. Raises ``Conflict`` if ``version`` is not the present one, ``NotFound``."""

    async def autoscaler_of(self, target: Target) -> str | None:
        """The name of a HorizontalPodAutoscaler that scales ``target``, or ``None``."""

    async def pods(self, selector: str) -> Sequence[Pod]:
        """The pods that match a label selector, finished ones left out."""

    async def set_deletion_cost(self, pod: str, cost: int) -> None:
        """Annotates a pod with ``controller.kubernetes.io/pod-deletion-cost``. Raises ``NotFound``."""

    async def write_status(self, scaler: str, status: Mapping[str, Any]) -> None:
        """Replaces the status of a StreamScaler, by a patch of the subresource. Raises ``NotFound``."""

    async def emit(
        self, scaler: str, uid: str, *, kind: Literal["Normal", "Warning"], reason: str, action: str, message: str
    ) -> None:
        """Creates an Event about a StreamScaler (``events.k8s.io/v1``)."""

    async def scalers(self) -> Sequence[Mapping[str, Any]]:
        """All StreamScalers, as the API has them. Raises ``NotFound`` where their definition is not installed."""

    async def lease(self, name: str) -> LeaseRecord | None:
        """The Lease, ``None`` where there is none."""

    async def write_lease(self, name: str, record: LeaseRecord) -> LeaseRecord:
        """Creates it (empty version) or replaces it. Raises ``Conflict`` if another did meanwhile, or deleted it."""

    async def close(self) -> None:
        """Ends its connections."""
