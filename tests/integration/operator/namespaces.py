"""Namespaces on the tests' API server, one a test: the administrator's hand in them, and the operator's account there."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from lightkube import AsyncClient, KubeConfig, SingleConfig, codecs
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.authorization_v1 import ResourceAttributes, SubjectAccessReviewSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.authorization_v1 import SubjectAccessReview
from lightkube.resources.core_v1 import Event, Namespace, Pod, ServiceAccountToken
from lightkube.resources.rbac_authorization_v1 import Role
from lightkube.types import PatchType
from tests.integration.operator.api_server import ApiServer, Right, rights, rules
from tests.polling import until

from heliograph_operator.cluster.kubernetes import KubernetesCluster
from heliograph_operator.model import Target

ACCOUNT = "heliograph-operator"
StreamScaler = create_namespaced_resource("heliograph.dev", "v1", "StreamScaler", "streamscalers")
_WORKLOADS: Mapping[str, Any] = {"Deployment": Deployment, "StatefulSet": StatefulSet}


class OperatorNamespace:
    """A namespace with a service account for the operator, which has the chart's rights. All calls but those with
    ``config`` and ``kubeconfig`` are the administrator's."""

    def __init__(self, server: ApiServer, name: str, admin: AsyncClient, kubeconfig: Path) -> None:
        self.server = server
        self.name = name
        self.admin = admin
        self.kubeconfig = kubeconfig
        """The operator's account: ``KUBECONFIG`` of a process."""

    @property
    def config(self) -> SingleConfig:
        """The operator's account, for ``KubernetesCluster(name, instance, config)``."""
        found = KubeConfig.from_file(self.kubeconfig).get()
        assert found
        return found

    @asynccontextmanager
    async def cluster(self, instance: str = "the-operator") -> AsyncIterator[KubernetesCluster]:
        """The port ``Cluster`` with the operator's account; closed afterwards."""
        found = KubernetesCluster(self.name, instance, self.config)
        try:
            yield found
        finally:
            await found.close()

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        """kubectl in this namespace."""
        return self.server.kubectl(*words, namespace=self.name, stdin=stdin, check=check)

    async def create(self, manifest: Mapping[str, Any]) -> Any:
        """Any object."""
        return await self.admin.create(codecs.from_dict(dict(manifest)))

    async def create_workload(self, target: Target, replicas: int = 1, *, image: str = "worker:1") -> None:
        """Its pods have the label ``app`` with its name. Nothing starts pods for it, nor counts them."""
        labels = {"app": target.name}
        pod = {"metadata": {"labels": labels}, "spec": _containers(image)}
        service = {"serviceName": target.name} if target.kind == "StatefulSet" else {}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod, **service}
        await self.create(
            {"apiVersion": "apps/v1", "kind": target.kind, "metadata": {"name": target.name}, "spec": spec}
        )
        await self.set_existing(target, replicas)

    async def set_existing(self, target: Target, replicas: int) -> None:
        """The number of pods that its status tells."""
        change = {"status": {"replicas": replicas}}
        resource = _WORKLOADS[target.kind].Status
        await self.admin.patch(resource, target.name, change, patch_type=PatchType.MERGE)

    async def replicas(self, target: Target) -> int:
        """Those that the workload is set to."""
        found = await self.admin.get(_WORKLOADS[target.kind].Scale, target.name)
        return found.spec.replicas or 0

    async def set_replicas(self, target: Target, replicas: int) -> None:
        """As a person does by hand."""
        change = {"spec": {"replicas": replicas}}
        await self.admin.patch(_WORKLOADS[target.kind].Scale, target.name, change, patch_type=PatchType.MERGE)

    async def delete_workload(self, target: Target) -> None:
        """Without its pods."""
        await self.admin.delete(_WORKLOADS[target.kind], target.name)

    async def create_pod(
        self, name: str, app: str, *, ready: bool = True, phase: str = "Running", node: str | None = None
    ) -> None:
        """A pod of the workload ``app``. One with a ``node`` is terminating for as long as the test likes once it is
        deleted, because nothing on the node ends it."""
        spec = {**_containers("worker:1"), **({"nodeName": node} if node else {})}
        await self.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}
        )
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        change = {"status": {"phase": phase, "conditions": conditions}}
        await self.admin.patch(Pod.Status, name, change, patch_type=PatchType.MERGE)

    async def delete_pod(self, name: str) -> None:
        """Gracefully."""
        await self.admin.delete(Pod, name)

    async def annotations(self, pod: str) -> dict[str, str]:
        """Of a pod."""
        found = await self.admin.get(Pod, pod)
        assert found.metadata
        return found.metadata.annotations or {}

    async def annotate(self, pod: str, annotations: Mapping[str, str]) -> None:
        """By hand."""
        await self.admin.set(Pod, pod, annotations=dict(annotations))

    async def create_autoscaler(self, name: str, target: Target) -> None:
        """A HorizontalPodAutoscaler."""
        scaled = {"apiVersion": "apps/v1", "kind": target.kind, "name": target.name}
        await self.create(
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": name},
                "spec": {"scaleTargetRef": scaled, "minReplicas": 1, "maxReplicas": 5},
            }
        )

    async def create_scaler(self, name: str, target: Target, **spec: Any) -> dict[str, Any]:
        """A StreamScaler as the API server stored it; what ``spec`` lacks is valid."""
        defaults = {"target": {"kind": target.kind, "name": target.name}, "stream": "WORK", "consumers": ["work"]}
        whole = {**defaults, "maxReplicas": 10, **spec}
        found = await self.create(
            {"apiVersion": "heliograph.dev/v1", "kind": "StreamScaler", "metadata": {"name": name}, "spec": whole}
        )
        return dict(found)

    async def edit_scaler(self, name: str, **spec: Any) -> dict[str, Any]:
        """A merge patch of the spec."""
        return dict(await self.admin.patch(StreamScaler, name, {"spec": spec}, patch_type=PatchType.MERGE))

    async def scaler(self, name: str) -> dict[str, Any]:
        """The whole object."""
        return dict(await self.admin.get(StreamScaler, name))

    async def delete_scaler(self, name: str) -> None:
        """At once: it has no finalizers."""
        await self.admin.delete(StreamScaler, name)

    async def events(self) -> list[Event]:
        """All of the namespace, in no order."""
        return [each async for each in self.admin.list(Event)]

    async def release_lease(self, name: str = ACCOUNT) -> None:
        """Makes the Lease one that was released, so that the first candidate need not wait before it acts."""
        spec = {"holderIdentity": "", "leaseDurationSeconds": 1}
        metadata = {"name": ACCOUNT}
        await self.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})

    async def grant(self, granted: Iterable[Mapping[str, Any]]) -> None:
        """Replaces the operator's rights, and waits until the API server goes by them."""
        wanted = [dict(rule) for rule in granted]
        await self.admin.patch(Role, ACCOUNT, {"rules": wanted}, patch_type=PatchType.MERGE)
        await self._effective(wanted)

    async def deny(self, right: str) -> None:
        """Takes one right, such as ``list pods``, from the operator's account."""
        verb, resource = right.split()
        left = [
            {"apiGroups": [group], "resources": [each], "verbs": [one]}
            for group, each, one in rights(rules())
            if (each, one) != (resource, verb)
        ]
        assert len(left) < len(rights(rules())), f"the operator has no right to {right}"
        await self.grant(left)

    async def _effective(self, granted: list[dict[str, Any]]) -> None:
        allowed = set(rights(granted))
        for right in rights(rules()):

            async def goes_by_it(right: Right = right) -> bool:
                return await self._may(right) == (right in allowed)

            await until(goes_by_it, 10)

    async def _may(self, right: Right) -> bool:
        group, resource, verb = right
        resource, _, subresource = resource.partition("/")
        asked = ResourceAttributes(
            namespace=self.name, group=group, resource=resource, subresource=subresource or None, verb=verb
        )
        user = f"system:serviceaccount:{self.name}:{ACCOUNT}"
        review = SubjectAccessReview(spec=SubjectAccessReviewSpec(user=user, resourceAttributes=asked))
        answer = await self.admin.create(review)
        assert answer.status
        return bool(answer.status.allowed)


def _containers(image: str) -> dict[str, Any]:
    return {"containers": [{"name": "worker", "image": image}]}


@asynccontextmanager
async def operator_namespace(server: ApiServer, folder: Path) -> AsyncIterator[OperatorNamespace]:
    """A new one; the kubeconfig of its account is written to ``folder``."""
    admin_config = KubeConfig.from_file(server.kubeconfig).get()
    name = f"test-{uuid.uuid4().hex[:8]}"
    admin = AsyncClient(admin_config, name, trust_env=False)
    try:
        await admin.create(codecs.from_dict({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        for manifest in _account(name):
            await admin.create(codecs.from_dict(manifest))
        request = ServiceAccountToken(
            metadata=ObjectMeta(), spec=TokenRequestSpec(audiences=[], expirationSeconds=7200)
        )
        token = await admin.create(request, ACCOUNT)
        assert token.status
        assert token.status.token
        kubeconfig = folder / f"{name}.kubeconfig"
        kubeconfig.write_text(_kubeconfig(server, name, token.status.token), encoding="utf-8")
        namespace = OperatorNamespace(server, name, admin, kubeconfig)
        await namespace.grant(rules())
        yield namespace
        await _delete(admin, name)
    finally:
        await admin.close()


async def _delete(admin: AsyncClient, name: str) -> None:
    """Marks it as deleted; there is no controller that would empty it."""
    try:
        async with asyncio.timeout(5):
            await admin.delete(Namespace, name)
    except (ApiError, TimeoutError):
        pass  # a test may have left the API server stopped


def _account(namespace: str) -> list[dict[str, Any]]:
    metadata = {"name": ACCOUNT, "namespace": namespace}
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules()},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
        },
    ]


def _kubeconfig(server: ApiServer, namespace: str, token: str) -> str:
    cluster = {"server": server.url, "certificate-authority": str(server.kubeconfig.parent / "ca.crt")}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": ACCOUNT, "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": ACCOUNT, "namespace": namespace}}],
            "current-context": "tests",
        }
    )
