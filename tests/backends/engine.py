"""The Docker engine of this machine: whether it answers, which images it has, and what killed test runs left in it.

Only an engine on this machine is used: the containers listen on its loopback address.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from docker.errors import APIError, DockerException, ImageNotFound
from testcontainers.core.docker_client import DockerClient, get_docker_host

from heliograph_local.folder import start_time

_LOCAL = ("unix://", "http+unix://", "tcp://127.0.0.1:", "tcp://localhost:")
_LABEL = "dev.heliograph.tests.process"
_CHART = Path(__file__).parents[2] / "charts" / "heliograph-stack" / "values.yaml"
SERVERS = ("postgres", "nats", "s3")
# Stand-ins for the published images on an engine that cannot pull; the lab beside the checkout builds them.
_LAB_IMAGES = {
    "postgres": "localhost/lab/postgres:18",
    "nats": "localhost/lab/nats:2",
    "s3": "localhost/lab/seaweedfs:4",
}


class Unavailable(Exception):
    """This machine has no engine or no image; the message says which."""


@contextmanager
def connected() -> Iterator[Any]:
    """A docker-py client of the engine that the ``docker`` command would use.

    Raises:
        Unavailable: no engine answers, or it is another machine's.
    """
    host = get_docker_host() or "unix:///var/run/docker.sock"
    if not host.startswith(_LOCAL):
        raise Unavailable(f"the Docker engine is at {host}, and containers are reached over loopback only")
    try:
        _knock(host)
        client = DockerClient().client
    except (DockerException, OSError) as error:
        raise Unavailable(f"no Docker engine answers at {host} ({error})") from error
    try:
        yield client
    finally:
        client.close()


def image(client: Any, server: str) -> str:
    """The image of ``postgres``, ``nats`` or ``s3``: what ``HELIOGRAPH_TEST_<SERVER>_IMAGE`` names, or that of the trial
    chart, or the lab's; pulled where the engine has none of them.

    Raises:
        Unavailable: it cannot be pulled.
    """
    variable = f"HELIOGRAPH_TEST_{server.upper()}_IMAGE"
    published = yaml.safe_load(_CHART.read_text(encoding="utf-8"))[server]["image"]
    named = os.environ.get(variable)
    candidates: list[str] = [named] if named else [published, _LAB_IMAGES[server]]
    for candidate in candidates:
        with suppress(ImageNotFound):
            client.images.get(candidate)
            return candidate
    try:
        client.images.pull(candidates[0])
    except DockerException as error:
        raise Unavailable(
            f"the Docker engine has no image {candidates[0]} and cannot pull it; set {variable} to one that it has"
        ) from error
    return candidates[0]


def label() -> dict[str, str]:
    """The label of containers that belong to this process."""
    return {_LABEL: f"{_machine()} {os.getpid()} {start_time(os.getpid())}"}


def remove_abandoned(client: Any) -> None:
    """Removes containers of test runs that were killed before they could do it; nobody else's, and none in use."""
    for container in client.containers.list(all=True, filters={"label": _LABEL}, ignore_removed=True):
        if _abandoned(container):
            with suppress(APIError):  # another run removes it at this moment
                container.remove(force=True, v=True)


def _knock(host: str) -> None:
    """Raises OSError where nobody listens; docker-py would leave a socket open then."""
    scheme, _, address = host.partition("://")
    if scheme == "tcp":
        name, _, port = address.partition(":")
        socket.create_connection((name, int(port.partition("/")[0])), timeout=5).close()
    else:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address)


def _abandoned(container: Any) -> bool:
    owner: str = container.labels[_LABEL]
    machine, pid, started = owner.rsplit(" ", 2)
    if machine != _machine():  # its process cannot be seen from here; after a reboot what it left has stopped
        return bool(container.status == "exited")
    return start_time(int(pid)) != started


def _machine() -> str:
    """Where process ids mean the same: this boot, and this pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
