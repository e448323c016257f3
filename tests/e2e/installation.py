"""One installation of both charts in a namespace of its own, as the steps of tests/e2e see it."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.e2e import providers
from tests.e2e.client import Site, token_for
from tests.e2e.cluster import Cluster
from tests.e2e.images import CLIENT, SERVICES, Release
from tests.e2e.shell import Failed

NAMESPACE = "heliograph-e2e"
RELEASE, STACK = "heliograph", "heliograph-stack"
KINDS = (*SERVICES, "nats", "postgres", "s3")
"""Every kind of pod there is."""

_NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {
        "name": NAMESPACE,
        "labels": {
            f"pod-security.kubernetes.io/{mode}{part}": value
            for mode in ("enforce", "warn", "audit")
            for part, value in (("", "restricted"), ("-version", "latest"))
        },
    },
}
_DENY_ALL = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all", "namespace": NAMESPACE},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}


@dataclass
class Installation:
    """The namespace, the fixed NodePorts, and where its services answer."""

    cluster: Cluster
    ports: dict[str, int] = field(default_factory=dict)
    address: str = ""

    def __post_init__(self) -> None:
        self.cluster.namespace = NAMESPACE
        if not self.ports:
            self.ports = dict(zip(("gateway", "notifier", "s3"), random.sample(range(30100, 32700), 3), strict=True))

    def adopt(self) -> bool:
        """Takes the ports of an installation that is there; whether there is one."""
        if RELEASE not in self.cluster.helm("list", "--short", "--deployed").split():
            return False
        names = {"gateway": f"{RELEASE}-gateway", "notifier": f"{RELEASE}-notifier", "s3": f"{RELEASE}-e2e-s3"}
        for name, service in names.items():
            self.ports[name] = self.cluster.get("service", service)[0]["spec"]["ports"][0]["nodePort"]
        self.site()
        return True

    def make_namespace(self) -> None:
        """An empty namespace that enforces the restricted level and lets nobody talk to anybody."""
        self.cluster.sh("kubectl", "delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=180s")
        for manifest in (_NAMESPACE, _DENY_ALL):
            self.cluster.sh("kubectl", "apply", "-f", "-", stdin=json.dumps(manifest))

    def install_stack(self, release: Release) -> None:
        """`helm install` of the trial stack."""
        options = []
        for name, image in self.cluster.stack_images.items():
            options += ["--set", f"{name}.image={image}"]
        for name in ("postgres", "nats", "s3"):
            options += ["--set", f"{name}.storage=2Gi"]
        self.cluster.helm("install", STACK, str(release.stack), "--wait", "--timeout=5m", *options)

    def install(self, release: Release, verb: str = "install", *more: str) -> None:
        """`helm install` or `helm upgrade` of the product, as the guide says, with ports that this machine can reach."""
        if verb == "upgrade" and (release.chart / "crds").exists():
            definitions = self.cluster.helm("show", "crds", str(release.chart))
            self.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=definitions)
        self.cluster.helm(
            verb, RELEASE, str(release.chart), "--wait", "--timeout=5m", "-f", str(release.values), "-f", "-",
            *more, stdin=json.dumps(self._values(release)),
        )  # fmt: skip

    def _values(self, release: Release) -> dict[str, Any]:
        signed = f"http://{self.address or '127.0.0.1'}:{self.ports['s3']}"
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "{{ .Release.Name }}-e2e-s3"},
            "spec": {
                "type": "NodePort",
                "selector": {"app.kubernetes.io/instance": STACK, "app.kubernetes.io/component": "s3"},
                "ports": [{"port": 8333, "nodePort": self.ports["s3"]}],
            },
        }
        pull_policy = "Never" if self.cluster.lab else "IfNotPresent"
        doubles = providers.objects(f"{CLIENT}:{release.tag}", pull_policy) if release.imports else []
        return {
            "image": {"tag": release.tag, "pullPolicy": pull_policy},
            "s3": {"publicEndpoint": signed} if self.address else {},
            "extraObjects": [service, *doubles],
            **(providers.values(analyses=release.analyses, words=release.words) if release.imports else {}),
            # A node of a test machine says that it has more processors than there are.
            "thumbnailer": {"resources": {"requests": {"cpu": "500m"}}},
            **{
                name: {"service": {"type": "NodePort", "nodePort": self.ports[name]}}
                for name in ("gateway", "notifier")
            },
        }

    def site(self) -> Site:
        """Where it answers, with a token made from the secret that the stack keeps."""
        self.address = self.address or self.cluster.address(self.ports["gateway"])
        secret = self.cluster.get("secret", f"{STACK}-credentials")[0]["data"]["auth-secret"]
        token = token_for(base64.b64decode(secret).decode(), "e2e")
        return Site(
            api=f"http://{self.address}:{self.ports['gateway']}",
            events=f"ws://{self.address}:{self.ports['notifier']}/v1/events",
            token=token,
        )

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a kind that are not on their way out."""
        found = self.cluster.get("pods", "-l", f"app.kubernetes.io/component={component}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def kill(self, component: str, *, at_once: bool) -> str:
        """Deletes one pod of a kind, with or without notice; its name."""
        name = str(self.pods(component)[0]["metadata"]["name"])
        force = ("--grace-period=0", "--force") if at_once else ()
        self.cluster.kubectl("delete", "pod", name, "--wait=false", *force)
        return name

    def settle(self, component: str, seconds: float = 180) -> None:
        """Returns when every pod of a kind is ready."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pods = self.pods(component)
            if pods and all(_ready(pod) for pod in pods):
                return
            time.sleep(0.5)
        raise Failed(f"{component} is not ready within {seconds:.0f} s:\n{self.cluster.kubectl('get', 'pods')}")

    def inside(self, pod: str, code: str, **options: Any) -> str:
        """What a piece of Python prints in a pod of ours."""
        return self.cluster.kubectl("exec", pod, "--", "python", "-c", code, **options)

    def left(self) -> set[str]:
        """Everything in the namespace but what Kubernetes and this test put there."""
        kinds = self.cluster.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
        kinds = [kind for kind in kinds if not kind.startswith(("events", "pods.metrics"))]
        lines = self.cluster.kubectl("get", ",".join(kinds), "-o", "name", "--ignore-not-found").splitlines()
        names = {line for line in lines if "/" in line and " " not in line}  # and not what kubectl warns of
        ours = {"configmap/kube-root-ca.crt", "serviceaccount/default", "networkpolicy.networking.k8s.io/deny-all"}
        return names - ours

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Adds what the pods say to a failure of the body."""
        try:
            yield
        except Failed as error:
            state = self.cluster.kubectl("get", "pods,jobs", check=False)
            events = self.cluster.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False).splitlines()[-8:]
            logs = self.cluster.kubectl(
                "logs", "-l", "app.kubernetes.io/part-of=heliograph", "--tail=5", "--prefix", check=False
            )
            raise Failed("\n".join([str(error), state, *events, logs[-4000:]])) from error


def _ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
