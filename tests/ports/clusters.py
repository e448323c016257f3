"""What ``test_cluster.py`` runs on: the fake of the port ``Cluster``, and the adapter over a real API server."""

from __future__ import annotations

from typing import Any

from lightkube.resources.coordination_v1 import Lease
from tests.integration.operator.namespaces import OperatorNamespace
from tests.unit.operator.fake_cluster import FakeCluster, FakeEvent, FakePod

from heliograph_operator.cluster.port import Cluster
from heliograph_operator.model import Target


class FakeClusterHarness:
    """The fake."""

    def __init__(self) -> None:
        self.fake = FakeCluster()
        self.cluster: Cluster = self.fake

    async def create_workload(self, target: Target, replicas: int) -> None:
        """A workload whose pods have the label ``app`` with its name."""
        self.fake.add_workload(target, replicas)

    async def set_existing(self, target: Target, replicas: int) -> None:
        """What its status says."""
        self.fake.workloads[target].existing = replicas

    async def set_replicas(self, target: Target, replicas: int) -> None:
        """By hand."""
        self.fake.set_by_hand(target, replicas)

    async def create_pod(
        self, name: str, app: str, *, ready: bool = True, phase: str = "Running", node: str | None = None
    ) -> None:
        """A pod of a workload."""
        self.fake.all_pods[name] = FakePod(app, ready=ready, finished=phase in {"Failed", "Succeeded"})

    async def terminate_pod(self, name: str) -> None:
        """Deletes a pod that has a node."""
        self.fake.all_pods[name].terminating = True

    async def annotate(self, pod: str, **annotations: str) -> None:
        """By hand."""
        self.fake.all_pods[pod].annotations |= annotations

    async def annotations(self, pod: str) -> dict[str, str]:
        """Of a pod."""
        return self.fake.all_pods[pod].annotations

    async def create_autoscaler(self, name: str, target: Target) -> None:
        """A HorizontalPodAutoscaler."""
        self.fake.autoscalers[name] = target

    async def create_scaler(self, name: str, target: Target) -> str:
        """A StreamScaler; its uid."""
        return self.fake.add_scaler(name, target={"kind": target.kind, "name": target.name})

    async def status(self, scaler: str) -> dict[str, Any] | None:
        """What was written."""
        return self.fake.statuses[scaler]

    async def events(self) -> list[FakeEvent]:
        """All."""
        return self.fake.events

    async def delete_lease(self, name: str) -> None:
        """By hand."""
        del self.fake.leases[name]

    async def deny(self, right: str) -> None:
        """Takes a right, such as ``list pods``, from the operator's account."""
        self.fake.denied.add(right)


class RealClusterHarness:
    """The adapter with the operator's account, in a namespace of an API server."""

    def __init__(self, namespace: OperatorNamespace, cluster: Cluster) -> None:
        self.namespace = namespace
        self.cluster = cluster
        self.create_workload = namespace.create_workload
        self.set_existing = namespace.set_existing
        self.set_replicas = namespace.set_replicas
        self.create_pod = namespace.create_pod
        self.terminate_pod = namespace.delete_pod
        self.annotations = namespace.annotations
        self.create_autoscaler = namespace.create_autoscaler

    async def annotate(self, pod: str, **annotations: str) -> None:
        """By hand."""
        await self.namespace.annotate(pod, annotations)

    async def create_scaler(self, name: str, target: Target) -> str:
        """A StreamScaler; its uid."""
        made = await self.namespace.create_scaler(name, target)
        return str(made["metadata"]["uid"])

    async def status(self, scaler: str) -> dict[str, Any] | None:
        """What was written."""
        found: dict[str, Any] | None = (await self.namespace.scaler(scaler)).get("status")
        return found

    async def events(self) -> list[FakeEvent]:
        """All, in the form of the fake's."""
        return [
            FakeEvent(
                each.involvedObject.name or "",
                each.involvedObject.uid or "",
                each.type or "",
                each.reason or "",
                each.action or "",
                each.message or "",
            )
            for each in await self.namespace.events()
        ]

    async def delete_lease(self, name: str) -> None:
        """By hand."""
        await self.namespace.admin.delete(Lease, name)

    async def deny(self, right: str) -> None:
        """Takes a right, such as ``list pods``, from the operator's account."""
        await self.namespace.deny(right)


ClusterHarness = FakeClusterHarness | RealClusterHarness
