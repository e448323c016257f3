"""The chart on a real API server: what an upgrade leaves as it is, and what is refused there. Nothing runs pods, so hooks
are left out, and the replicas that the operator would set are set by hand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.charts.support import ROOT, Manifest, helm

if TYPE_CHECKING:  # what other tests need not import
    from tests.integration.operator.api_server import ApiServer

pytestmark = pytest.mark.xdist_group("api_server")  # tests.integration.operator.api_server.GROUP

CRD = "charts/heliograph/crds/streamscalers.yaml"
WORKERS = "heliograph-thumbnailer"
UNSCALED = {"thumbnailer": {"scaler": {"enabled": False}, "replicas": 3}}
CHANGED = {"thumbnailer": {"podLabels": {"change": "another"}}}


class Releases:
    """Releases of the chart in a namespace of the test's own."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.namespace = f"charts-{uuid.uuid4().hex[:8]}"
        server.kubectl("create", "namespace", self.namespace)

    def helm(self, *words: str, values: Manifest | None = None) -> subprocess.CompletedProcess[str]:
        """What helm says."""
        return subprocess.run(
            [helm(), "-n", self.namespace, *words],
            env=self.environment(),
            input=json.dumps(values or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def shell(self, line: str) -> None:
        """A line of a guide, in the checkout, with the API server's kubeconfig."""
        subprocess.run(
            ["bash", "-o", "pipefail", "-ec", line],
            cwd=ROOT,
            env=self.environment(),
            check=True,
            timeout=60,
            capture_output=True,
        )

    def environment(self) -> dict[str, str]:
        """With helm and kubectl, and the API server's kubeconfig."""
        tools = Path(helm()).parent
        return {**os.environ, "KUBECONFIG": str(self.server.kubeconfig), "PATH": f"{tools}:{os.environ['PATH']}"}

    def tried(self, command: str, values: Manifest | None = None, release: str = "heliograph") -> tuple[int, str]:
        """The exit code of `helm install` or `helm upgrade`, and what it said."""
        files = ("-f", str(ROOT / "k8s/trial.yaml"), "-f", "-")
        words = (command, release, str(ROOT / "charts/heliograph"), *files, "--no-hooks")
        done = self.helm(*words, values=values)
        return done.returncode, done.stdout + done.stderr

    def install(self, values: Manifest | None = None) -> None:
        code, said = self.tried("install", values)
        assert not code, said

    def upgrade(self, values: Manifest | None = None) -> None:
        code, said = self.tried("upgrade", values)
        assert not code, said

    def kubectl(self, *words: str) -> str:
        return self.server.kubectl(*words, namespace=self.namespace)

    def replicas(self) -> int:
        return int(self.kubectl("get", "deployment", WORKERS, "-o", "jsonpath={.spec.replicas}"))

    def scale(self, replicas: int) -> None:
        """As the operator does."""
        self.kubectl("scale", "deployment", WORKERS, f"--replicas={replicas}")

    def rendered(self) -> str:
        """The workers' Deployment as the release has it."""
        documents = self.helm("get", "manifest", "heliograph").stdout.split("\n---\n")
        (found,) = (one for one in documents if "\nkind: Deployment\n" in one and f"\n  name: {WORKERS}\n" in one)
        return found


@pytest.fixture
def releases(api_server: ApiServer) -> Releases:
    return Releases(api_server)


def test_no_upgrade_moves_what_is_scaled(releases: Releases) -> None:
    releases.install()
    assert releases.replicas() == 1
    releases.scale(7)
    releases.upgrade(CHANGED)
    assert releases.replicas() == 7
    assert "\n  replicas:" not in releases.rendered()  # so it does not matter when the operator sets another number
    releases.scale(0)
    assert not releases.helm("rollback", "heliograph", "1", "--no-hooks").returncode
    assert releases.replicas() == 0


def test_the_upgrade_that_enables_a_scaler_moves_nothing_nor_does_one_after_it(releases: Releases) -> None:
    releases.install(UNSCALED)
    releases.upgrade()
    assert releases.replicas() == 3
    releases.scale(0)
    releases.upgrade(CHANGED)
    assert releases.replicas() == 0


@pytest.mark.parametrize(
    "file", ["docs/guides/scaling.md", "docs/guides/install.md", "docs/runbooks/scaling.md", "CHANGELOG.md"]
)
def test_the_definition_that_helm_installed_is_replaced_by_the_command(releases: Releases, file: str) -> None:
    commands = re.findall(r"helm show crds [^`\n]*", (ROOT / file).read_text(encoding="utf-8"))
    assert commands
    older = (ROOT / CRD).read_text(encoding="utf-8").replace("Whether the operator scales", "If the operator scales")
    releases.server.kubectl("replace", "--field-manager=helm", "-f", "-", stdin=older)
    for command in commands:
        releases.shell(command.replace("\\|", "|"))
    assert "If the operator scales" not in releases.kubectl("get", "crd", "streamscalers.heliograph.dev", "-o", "yaml")


def test_a_second_operator_of_a_namespace_is_refused(releases: Releases) -> None:
    releases.install()
    code, said = releases.tried("install", release="other")
    assert code
    assert "The release heliograph has an operator in this namespace" in said
    assert "or set operator.enabled and thumbnailer.scaler.enabled to false" in said
    off: Manifest = {"operator": {"enabled": False}, "thumbnailer": {"scaler": {"enabled": False}}}
    assert releases.tried("install", off, "other")[0] == 0


def test_notes_warn_of_an_operator_that_may_connect_anywhere(releases: Releases) -> None:
    warning = "Warning: networkPolicy.kubernetes is empty"
    named: Manifest = {"networkPolicy": {"kubernetes": [{"ipBlock": {"cidr": "10.1.0.0/28"}}]}}
    assert warning in releases.tried("install", {})[1]
    assert warning not in releases.tried("upgrade", named)[1]
