"""The cluster that tests/e2e runs on: the lab's, kind's, or whichever KUBECONFIG names."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.shell import ROOT, Failed, run

LAB = ROOT.parent / "shared" / "lab" / "lab"
_STACK = {"postgres": "postgres:18", "nats": "nats:2", "s3": "seaweedfs:4"}


@dataclass
class Cluster:
    """A running cluster and the tools for it. ``base_image`` and ``stack_images`` stand in for the official ones where
    there is no registry; ``kind_name`` is set for a cluster of kind."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    base_image: str | None = None
    stack_images: Mapping[str, str] = field(default_factory=dict)
    kind_name: str | None = None
    namespace: str = ""
    helm_program: str = "helm"
    started_here: bool = False

    @property
    def lab(self) -> bool:
        """Whether it is the lab's."""
        return self.name == "lab"

    def sh(self, *command: str | Path, **options: Any) -> str:
        """Any command, with the cluster's environment."""
        return run(*command, environment=self.environment, **options)

    def kubectl(self, *command: str, **options: Any) -> str:
        """kubectl in the namespace of the test."""
        return self.sh("kubectl", "-n", self.namespace, *command, **options)

    def helm(self, *command: str, **options: Any) -> str:
        """helm in the namespace of the test."""
        return self.sh(self.helm_program, "-n", self.namespace, *command, **options)

    def get(self, *what: str) -> list[dict[str, Any]]:
        """The objects that ``kubectl get`` finds."""
        found = json.loads(self.kubectl("get", *what, "-o", "json"))
        items: list[dict[str, Any]] = found["items"] if found["kind"].endswith("List") else [found]
        return items

    def load(self, *images: str) -> None:
        """Brings locally built images to the nodes."""
        if self.lab:
            self.sh(LAB, "load", *images)
        elif self.kind_name:
            self.sh("kind", "load", "docker-image", "--name", self.kind_name, *images)
        else:
            raise Failed(f"nobody can load images into {self.name}: push {', '.join(images)} to its registry by hand")

    def metrics(self) -> None:
        """Adds the metrics API, which HorizontalPodAutoscalers need."""
        self.sh(LAB, "metrics")

    def leave(self) -> None:
        """Stops what ``find`` had to start; what was built stays."""
        if self.started_here:
            run(LAB, "down", seconds=300)

    def address(self, port: int) -> str:
        """An address of a node at which NodePorts answer this machine.

        Raises ``Failed`` where none does; ``port`` is one that listens.
        """
        candidates = [os.environ.get("E2E_ADDRESS", "")]
        for node in json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]:
            candidates += [entry["address"] for entry in node["status"]["addresses"] if entry["type"].endswith("IP")]
        for candidate in filter(None, candidates):
            try:
                socket.create_connection((candidate, port), timeout=3).close()
            except OSError:
                continue
            return candidate
        raise Failed(f"no node answers at port {port}; set E2E_ADDRESS to where NodePorts can be reached")


def find(*, if_built: bool) -> tuple[Cluster | None, str]:
    """The cluster to use, or ``None`` and why there is none. ``if_built`` takes the lab's only, and only where its parts are
    built: nobody's CI shall install things in a cluster that happens to be in KUBECONFIG."""
    named = os.environ.get("KUBECONFIG", "")
    if named and not _is_lab(named) and not if_built:
        return _by_kubeconfig()
    if not LAB.exists():
        return None, "there is no cluster: set KUBECONFIG, or make one: kind create cluster --config k8s/kind.yaml"
    if os.geteuid():
        return None, f"{LAB.parent.name} must be used as root"
    environment = _lab_environment()
    if if_built and not lab_is_built(environment):
        return None, f"the lab's parts are not built; build them (some ten minutes): {LAB} up"
    running = re.search(r"^kube-apiserver +running", run(LAB, "status"), re.MULTILINE) is not None
    run(LAB, "up", seconds=3600)
    run(LAB, "stack-images", *(image.split(":")[0] for image in _STACK.values()), seconds=1800)
    images = {name: f"localhost/lab/{image}" for name, image in _STACK.items()}
    run(LAB, "load", *images.values(), seconds=600)  # built for Docker; the cluster has images of its own
    base = "localhost/lab/python:3.11"
    return Cluster("lab", environment, base_image=base, stack_images=images, started_here=not running), ""


def lab_is_built(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this process may use the lab beside the checkout, and nothing would have to be built for a cluster first.
    ``environment`` is the lab's, where it is known already."""
    if not LAB.exists() or os.geteuid():
        return False
    programs = (environment or _lab_environment())["PATH"].split(os.pathsep)[0]
    return all(shutil.which(name, path=programs) for name in ("kubectl", "helm"))


def _is_lab(kubeconfig: str) -> bool:
    return "heliograph-lab" in kubeconfig


def _by_kubeconfig() -> tuple[Cluster | None, str]:
    missing = [program for program in ("kubectl", "helm", "docker") if shutil.which(program) is None]
    if missing:
        return None, f"{', '.join(missing)} cannot be found on the PATH"
    context = run("kubectl", "config", "current-context", check=False).strip()
    kind = context.removeprefix("kind-") if context.startswith("kind-") and shutil.which("kind") else None
    return Cluster(context, kind_name=kind), ""


def _lab_environment() -> dict[str, str]:
    """What ``eval "$(lab env)"`` would set."""
    shell = f'eval "$({LAB} env)" && env -0'
    pairs = (entry.partition("=") for entry in run("bash", "-c", shell).split("\0"))
    return {name: value for name, _, value in pairs if name in {"KUBECONFIG", "PATH", "NO_PROXY", "no_proxy"}}
