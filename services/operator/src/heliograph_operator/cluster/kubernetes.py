"""The port ``Cluster`` over a real API server, by lightkube."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from lightkube import SingleConfig
from lightkube.core.client import FieldSelector, LabelSelector
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.autoscaling_v2 import HorizontalPodAutoscaler as Autoscaler
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.core_v1 import ObjectReference
from lightkube.models.core_v1 import Pod as PodModel
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.operators import BinaryOperator, not_in
from lightkube.resources.apps_v1 import DeploymentScale, StatefulSetScale
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import Pod as PodResource
from lightkube.resources.events_v1 import Event
from lightkube.types import PatchType

from heliograph_operator.cluster.connection import client, configuration
from heliograph_operator.cluster.errors import CALL_SECONDS, bounded
from heliograph_operator.cluster.port import Conflict, LeaseRecord, NotFound, Pod, Scale
from heliograph_operator.model import Target

GROUP, VERSION, KIND, PLURAL = "heliograph.dev", "v1", "StreamScaler", "streamscalers"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
CONTROLLER = "heliograph.dev/operator"
"""``reportingController`` of Events."""

_NOTE_BYTES, _NAME_BYTES, _WORD_BYTES = 1024, 200, 128
_ScaleResource = type[DeploymentScale] | type[StatefulSetScale]
_KINDS: Mapping[str, tuple[_ScaleResource, str]] = {
    "Deployment": (DeploymentScale, "deployments"),
    "StatefulSet": (StatefulSetScale, "statefulsets"),
}
_StreamScaler = create_namespaced_resource(GROUP, VERSION, KIND, PLURAL)


class _Verbatim(BinaryOperator):
    """A label selector in the form of a query, as a scale subresource has it."""

    def __init__(self, selector: str) -> None:
        super().__init__("verbatim", "", selector)

    def encode(self, key: str) -> str:
        return self.value


class KubernetesCluster:
    """Objects of ``namespace``. ``instance`` names this operator in Events. Without ``config`` it reads the one of the pod,
    or of ``KUBECONFIG``; raises ``ClusterError`` where there is neither. No call takes longer than ``call_seconds``."""

    def __init__(
        self,
        namespace: str,
        instance: str,
        config: SingleConfig | None = None,
        *,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self._namespace = namespace
        self._instance = instance
        self._client = client(config or configuration(), namespace, call_seconds)
        self._bounded = partial(bounded, seconds=call_seconds)

    async def scale(self, target: Target) -> Scale:
        """The scale subresource."""
        resource, plural = _KINDS[target.kind]
        async with self._bounded(f"get {plural}/scale", target.name):
            found = await self._client.get(resource, target.name)
        version = (found.metadata and found.metadata.resourceVersion) or ""
        wanted = (found.spec and found.spec.replicas) or 0
        existing, selector = (found.status.replicas, found.status.selector or "") if found.status else (0, "")
        return Scale(wanted, existing, selector, version)

    async def set_replicas(self, target: Target, replicas: int, version: str) -> None:
        """With the version as a precondition, so that nobody else's change is undone."""
        resource, plural = _KINDS[target.kind]
        change = {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}}
        async with self._bounded(f"patch {plural}/scale", target.name):
            await self._client.patch(resource, target.name, change, patch_type=PatchType.MERGE)

    async def autoscaler_of(self, target: Target) -> str | None:
        """KEDA's are among them, for it makes a HorizontalPodAutoscaler for each of its objects."""
        async with self._bounded("list horizontalpodautoscalers", ""):
            async for found in self._client.list(HorizontalPodAutoscaler):
                if _scales(found, target):
                    return (found.metadata and found.metadata.name) or ""
        return None

    async def pods(self, selector: str) -> Sequence[Pod]:
        """None for an empty selector, which the API server would take for all pods."""
        if not selector:
            return []
        labels: LabelSelector = {"": _Verbatim(selector)}
        fields: FieldSelector = {"status.phase": not_in(["Failed", "Succeeded"])}
        async with self._bounded("list pods", ""):
            found = self._client.list(PodResource, labels=labels, fields=fields)
            return [_pod(each) async for each in found]

    async def set_deletion_cost(self, pod: str, cost: int) -> None:
        """By a merge patch: other annotations stay."""
        change = {"metadata": {"annotations": {DELETION_COST: str(cost)}}}
        async with self._bounded("patch pods", pod):
            await self._client.patch(PodResource, pod, change, patch_type=PatchType.MERGE)

    async def write_status(self, scaler: str, status: Mapping[str, Any]) -> None:
        """By a JSON patch whose ``add`` replaces what is there: fields that ``status`` lacks, or that are
        ``None`` in it, are gone then. A merge patch would leave the former."""
        change = [{"op": "add", "path": "/status", "value": _without_none(status)}]
        async with self._bounded(f"patch {PLURAL}/status", scaler):
            await self._client.patch(_StreamScaler.Status, scaler, change, patch_type=PatchType.JSON)

    async def emit(
        self, scaler: str, uid: str, *, kind: Literal["Normal", "Warning"], reason: str, action: str, message: str
    ) -> None:
        """Its name is unique: Events that say the same are not counted but stand side by side."""
        event = Event(
            metadata=ObjectMeta(name=f"{_cut(scaler, _NAME_BYTES).rstrip('.-')}.{secrets.token_hex(8)}"),
            eventTime=_micro(datetime.now(UTC)),
            reportingController=CONTROLLER,
            reportingInstance=_cut(self._instance, _WORD_BYTES),
            type=kind,
            reason=_cut(reason, _WORD_BYTES),
            action=_cut(action, _WORD_BYTES),
            note=_cut(message, _NOTE_BYTES),
            regarding=ObjectReference(
                apiVersion=f"{GROUP}/{VERSION}", kind=KIND, name=scaler, namespace=self._namespace, uid=uid
            ),
        )
        async with self._bounded("create events", f"about {scaler}"):
            await self._client.create(event)

    async def scalers(self) -> Sequence[Mapping[str, Any]]:
        """Page by page."""
        async with self._bounded(f"list {PLURAL}", ""):
            return [dict(found) async for found in self._client.list(_StreamScaler)]

    async def lease(self, name: str) -> LeaseRecord | None:
        """The Lease."""
        try:
            async with self._bounded("get leases", name):
                return _record(await self._client.get(Lease, name))
        except NotFound:
            return None

    async def write_lease(self, name: str, record: LeaseRecord) -> LeaseRecord:
        """With its uid as a precondition beside the version: the API server would make one again that was deleted."""
        written = Lease(
            metadata=ObjectMeta(name=name, uid=record.uid or None, resourceVersion=record.version or None),
            spec=LeaseSpec(
                holderIdentity=record.holder,
                leaseDurationSeconds=record.seconds,
                renewTime=_micro(record.renewed) if record.renewed else None,
                acquireTime=_micro(record.acquired) if record.acquired else None,
                leaseTransitions=record.transitions,
            ),
        )
        if not record.version:
            async with self._bounded("create leases", name):
                return _record(await self._client.create(written))
        try:
            async with self._bounded("update leases", name):
                return _record(await self._client.replace(written))
        except NotFound as error:
            raise Conflict(str(error)) from error

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.close()


def _scales(autoscaler: Autoscaler, target: Target) -> bool:
    scaled = autoscaler.spec.scaleTargetRef if autoscaler.spec else None
    return (
        scaled is not None
        and (scaled.kind, scaled.name) == (target.kind, target.name)
        and (scaled.apiVersion or "apps/").startswith("apps/")
    )


def _pod(found: PodModel) -> Pod:
    metadata = found.metadata or ObjectMeta()
    conditions = (found.status and found.status.conditions) or []
    return Pod(
        name=metadata.name or "",
        deletion_cost=_number((metadata.annotations or {}).get(DELETION_COST)),
        ready=any(each.type == "Ready" and each.status == "True" for each in conditions),
        terminating=metadata.deletionTimestamp is not None,
    )


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _record(lease: Lease) -> LeaseRecord:
    """An absent field is what client-go takes it for; whoever edits a Lease by hand may leave any of them out."""
    spec = lease.spec or LeaseSpec()
    return LeaseRecord(
        holder=spec.holderIdentity or "",
        seconds=spec.leaseDurationSeconds or 0,
        renewed=spec.renewTime,
        transitions=spec.leaseTransitions or 0,
        version=(lease.metadata and lease.metadata.resourceVersion) or "",
        acquired=spec.acquireTime,
        uid=(lease.metadata and lease.metadata.uid) or "",
    )


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return [_without_none(each) for each in value] if isinstance(value, list | tuple) else value


def _micro(moment: datetime) -> datetime:
    """The API server requires six digits behind the second, and whole seconds are encoded without."""
    return moment.replace(microsecond=moment.microsecond or 1)


def _cut(text: str, most: int) -> str:
    """At most ``most`` bytes of it in UTF-8."""
    return text.encode()[:most].decode(errors="ignore")
