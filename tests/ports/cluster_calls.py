"""Every call of the port ``Cluster`` that asks the API server for something, by the one right that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from heliograph_operator.cluster.port import Cluster, LeaseRecord
from heliograph_operator.model import Target

TARGET = Target("Deployment", "thumbnailer")
NOW = datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)
MINE = LeaseRecord("me", 10, NOW, 3, "", NOW)

CALLS: dict[str, Callable[[Cluster], Awaitable[object]]] = {
    "get deployments/scale": lambda cluster: cluster.scale(TARGET),
    "patch deployments/scale": lambda cluster: cluster.set_replicas(TARGET, 1, "1"),
    "get statefulsets/scale": lambda cluster: cluster.scale(Target("StatefulSet", "worker")),
    "patch statefulsets/scale": lambda cluster: cluster.set_replicas(Target("StatefulSet", "worker"), 1, "1"),
    "list horizontalpodautoscalers": lambda cluster: cluster.autoscaler_of(TARGET),
    "list pods": lambda cluster: cluster.pods("app=thumbnailer"),
    "patch pods": lambda cluster: cluster.set_deletion_cost("one", 1),
    "list streamscalers": lambda cluster: cluster.scalers(),
    "patch streamscalers/status": lambda cluster: cluster.write_status("pictures", {}),
    "create events": lambda cluster: cluster.emit(
        "pictures", "uid", kind="Normal", reason="Scaled", action="Scale", message="From 1 to 2."
    ),
    "get leases": lambda cluster: cluster.lease("operator"),
    "create leases": lambda cluster: cluster.write_lease("operator", MINE),
    "update leases": lambda cluster: cluster.write_lease("operator", replace(MINE, version="1")),
}
