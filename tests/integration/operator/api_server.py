"""A real API server for tests: the lab's quick one, which is etcd and kube-apiserver with RBAC and no controllers. What is
written stays as it is, so tests write the status of workloads and pods themselves."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import ssl
import subprocess
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.cluster import LAB, lab_is_built
from tests.e2e.shell import Failed, run
from tests.polling import until_sync

ROOT = Path(__file__).parents[3]
CRD = ROOT / "charts" / "heliograph" / "crds" / "streamscalers.yaml"
RULES = ROOT / "charts" / "heliograph" / "files" / "operator_rules.yaml"
GROUP = "api_server"
"""``pytestmark = pytest.mark.xdist_group(GROUP)``: one worker of pytest-xdist has the tests that use its API server."""

WAITING_GROUP = "api_server_waiting"
"""The same, for tests that mostly wait: a second API server beside the first halves the time of both."""

_PREFIX = "tests-"


def unavailable() -> str | None:
    """Why this machine cannot run an API server, or ``None`` where it can."""
    if not LAB.exists():
        return "not on this machine: there is no lab beside the checkout"
    if os.geteuid():
        return "not on this machine: the lab must be used as root"
    return None if lab_is_built() else "not on this machine: the lab's parts are not built"


def rules() -> list[dict[str, Any]]:
    """The operator's rights, as the chart grants them."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return found


Right = tuple[str, str, str]
"""API group, resource and verb."""


def rights(granted: Iterable[Mapping[str, Any]]) -> list[Right]:
    """Every single right that ``granted`` rules hold."""
    return [
        (group, resource, verb)
        for rule in granted
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


class ApiServer:
    """A running one. ``kubeconfig`` is the administrator's."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.kubeconfig = Path(environment["KUBECONFIG"])
        self._environment = environment
        self._folder = self.kubeconfig.parents[1]
        self._pidfile = self._folder / "kube-apiserver.pid"
        self._process: subprocess.Popen[bytes] | None = None
        process = Path(f"/proc/{self._pid}")
        self._argv = (process / "cmdline").read_bytes().split(b"\0")[:-1]
        self._env = dict(pair.split(b"=", 1) for pair in (process / "environ").read_bytes().split(b"\0") if pair)

    @property
    def url(self) -> str:
        """Where it listens."""
        config = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        url: str = config["clusters"][0]["cluster"]["server"]
        return url

    def kubectl(self, *words: str, namespace: str = "default", stdin: str | None = None, check: bool = True) -> str:
        """What kubectl says, as the administrator. Raises ``Failed`` where it fails, unless ``check`` is false."""
        return run(
            "kubectl", "-n", namespace, *words, environment=self._environment, stdin=stdin, seconds=60, check=check
        )

    def stop(self) -> None:
        """Kills it, as when its machine fails; what it stored stays."""
        pid = self._pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if self._process:
            self._process.wait(10)
        until_sync(lambda: not _alive(pid), 10)

    def start(self) -> None:
        """Starts it again at its old address, and returns when it is ready."""
        with (self._folder / "kube-apiserver.log").open("ab") as log:
            self._process = subprocess.Popen(  # its own session, as the lab starts it
                self._argv,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        self._pidfile.write_text(f"{self._process.pid} {_started(self._process.pid)}", encoding="utf-8")
        until_sync(self._ready, 60)
        self.until_served()

    def until_served(self) -> None:
        """Returns when it serves StreamScalers, which takes it a little longer than to be ready."""

        def served() -> bool:
            with contextlib.suppress(Failed):
                self.kubectl("get", "streamscalers")
                return True
            return False

        until_sync(served, 60)

    def restart(self) -> None:
        """Kills it and starts it again."""
        self.stop()
        self.start()

    @property
    def _pid(self) -> int:
        return int(self._pidfile.read_text(encoding="utf-8").split()[0])

    def _ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.kubeconfig.parent / "ca.crt"))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def running_api_server() -> Iterator[ApiServer]:
    """One of this process's own, with the resource StreamScaler; it and what it stored are gone afterwards."""
    _remove_abandoned()
    name = f"{_PREFIX}{os.getpid()}"
    server = None
    try:
        server = ApiServer(name, _environment(name))
        server.kubectl("apply", "-f", str(CRD))
        server.until_served()
        yield server
    finally:
        if server:
            server.stop()  # asked to end, it would first wait for its watchers, and nothing that it stored is kept
        with contextlib.suppress(Failed):
            run(LAB, "apiserver-down", name, seconds=60)


def _environment(name: str) -> dict[str, str]:
    """What the lab's lines for a shell would set."""
    lines = run(LAB, "apiserver", name, seconds=120).splitlines()
    pairs = [shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export ")]
    return {key: os.path.expandvars(value) for key, value in pairs}


def _remove_abandoned() -> None:
    """Those of test processes that were killed."""
    for folder in Path("/run/heliograph-lab/apiservers").glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            run(LAB, "apiserver-down", folder.name, seconds=60)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _started(pid: int) -> str:
    """When a process started, in clock ticks: how the lab tells it from another of the same number."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
