"""Containers as a backend: reached over loopback only, removed whatever happens, and missed aloud."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from docker.errors import NotFound
from testcontainers.core.wait_strategies import LogMessageWaitStrategy
from tests.backends import containers, engine
from tests.backends.plugin import give_up

from heliograph_local.errors import StartFailed
from heliograph_local.testing import Database, Servers

ROOT = Path(__file__).parents[3]
LIMITS = "tests/ports/test_rate_limits.py"

# One worker runs them: they look for containers of their own process.
in_containers = pytest.mark.xdist_group("containers")


@pytest.fixture
def client(containers_servers: Servers) -> Iterator[Any]:
    """The engine, with the session's containers in it."""
    with engine.connected() as client:
        yield client


@pytest.mark.backends
def test_a_backend_is_what_its_name_says(backend: str, database: Database) -> None:
    with psycopg.connect(database.libpq_url) as connection:
        found = connection.execute("SELECT host(inet_server_addr())").fetchone()
    assert (found == ("127.0.0.1",)) == (backend == "embedded")


@in_containers
def test_tests_on_containers_are_one_group(request: pytest.FixtureRequest) -> None:
    """Or each worker would start containers of its own, and nothing would say so."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@containers")


@in_containers
def test_containers_listen_on_loopback_only(client: Any) -> None:
    mine = client.containers.list(filters={"label": [f"{key}={value}" for key, value in engine.label().items()]})
    published = [each for container in mine for each in container.ports.values() if each]
    assert len(mine) == len(published) == len(engine.SERVERS)
    assert {address["HostIp"] for addresses in published for address in addresses} == {"127.0.0.1"}


@in_containers
def test_a_container_that_ends_is_told_with_its_log(client: Any) -> None:
    broken = containers.container(engine.image(client, "nats"), 4222, LogMessageWaitStrategy("Server is ready"))
    began = time.monotonic()
    try:
        with pytest.raises(StartFailed, match="/no/such/file"):
            containers.start(broken.with_command(["--config", "/no/such/file"]))
    finally:
        broken.stop()
    assert time.monotonic() - began < containers.START_SECONDS


_KILLED = """
import os, signal
from testcontainers.core.config import testcontainers_config
from testcontainers.core.wait_strategies import LogMessageWaitStrategy
from tests.backends import containers, engine

testcontainers_config.ryuk_disabled = True
with engine.connected() as client:
    image = engine.image(client, "nats")
container = containers.container(image, 4222, LogMessageWaitStrategy("Server is ready"))
containers.start(container)
print(container.get_container_id(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@in_containers
def test_what_a_killed_run_left_is_removed_and_nothing_else(client: Any) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    left = killed.stdout.strip()
    stranger = client.containers.create(engine.image(client, "nats"))
    try:
        assert client.containers.get(left).status == "running", killed.stderr
        mine = {each.id for each in client.containers.list(filters={"label": list(engine.label())})} - {left}
        engine.remove_abandoned(client)

        with pytest.raises(NotFound):
            client.containers.get(left)
        assert {each.id for each in client.containers.list()} >= mine
        assert len(mine) >= len(engine.SERVERS)
        assert client.containers.get(stranger.id).status == "created"
    finally:
        stranger.remove(force=True)


@in_containers
def test_an_image_that_cannot_be_had_names_its_variable(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_TEST_NATS_IMAGE", "localhost:9/nats:none")
    with pytest.raises(engine.Unavailable, match=r"localhost:9/nats:none.*HELIOGRAPH_TEST_NATS_IMAGE"):
        engine.image(client, "nats")


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("unix:///no/such/socket", "no Docker engine answers at unix:///no/such/socket"),
        ("tcp://192.0.2.1:2375", "the Docker engine is at tcp://192.0.2.1:2375"),
    ],
)
def test_only_an_engine_of_this_machine_will_do(host: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(engine.Unavailable, match=reason), engine.connected():
        pass


def test_without_an_engine_tests_are_skipped() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", LIMITS, "-k", "a_burst and containers"],
        cwd=ROOT,
        env={**os.environ, "CI": "true", "DOCKER_HOST": "unix:///no/such", "HELIOGRAPH_REQUIRE_CONTAINERS": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "containers are not on this machine: no Docker engine answers at unix:///no/such" in done.stdout


def test_where_containers_are_required_nothing_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    why = engine.Unavailable("no Docker engine answers")
    monkeypatch.setenv("HELIOGRAPH_REQUIRE_CONTAINERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no Docker engine answers"):
        give_up(why)
    monkeypatch.delenv("HELIOGRAPH_REQUIRE_CONTAINERS")
    with pytest.raises(pytest.skip.Exception, match="not on this machine"):
        give_up(why)
