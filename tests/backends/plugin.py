"""pytest plugin: the servers of a test are the embedded ones, or with the mark ``backends`` one set after the other.

``pytestmark = pytest.mark.backends`` runs each test of a module that uses servers on the embedded ones and on containers.
``pytest.mark.backends(fake="blobs")`` also runs those that use the fixture ``blobs`` on the fake of that port: the fixture
must look at ``backend``. ``pytest.mark.backends("embedded")`` at a test keeps it to that backend.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from tests.backends import containers
from tests.backends.engine import Unavailable
from tests.memory_folder import memory_folder

from heliograph_local.testing import Servers
from heliograph_local.testing.host import shared_servers

EMBEDDED, CONTAINERS, FAKE = "embedded", "containers", "fake"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "backends(*names, fake): run on each backend, and what uses the fixture on its fake"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker("backends")
    if mark is None or "backend" not in metafunc.fixturenames:
        return
    fakes = [FAKE] if mark.kwargs.get("fake") in metafunc.fixturenames else []
    # One worker runs all that need containers, so that these are started once; the first test may wait for images.
    marks = {CONTAINERS: [pytest.mark.xdist_group(CONTAINERS), pytest.mark.timeout(300)]}
    names = [*fakes, *(mark.args or (EMBEDDED, CONTAINERS))]
    parameters = [pytest.param(name, marks=marks.get(name, [])) for name in names]
    metafunc.parametrize("backend", parameters, indirect=True, scope="session")


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    """What the test runs on: ``embedded``, ``containers`` or ``fake``."""
    name: str = getattr(request, "param", EMBEDDED)
    return name


@pytest.fixture(scope="session")
def embedded_servers(session_folder: Path) -> Iterator[Servers]:
    """NATS, PostgreSQL and S3, started by the first worker that asks; their data lie in memory if there is plenty."""
    with shared_servers(session_folder, memory_folder()) as running:
        yield running


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest, backend: str) -> Servers:
    """Those of the backend. They live in fixtures of their own, since this one ends with each change of backend."""
    found: Servers = request.getfixturevalue(f"{backend}_servers")
    return found


@pytest.fixture(scope="session")
def containers_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Containers that run until the session ends; skips where the machine cannot run them."""
    try:
        with containers.running(Path(tmp_path_factory.mktemp("containers"))) as servers:
            yield servers
    except Unavailable as error:
        give_up(error)


def give_up(why: Unavailable) -> NoReturn:
    """Skips; fails where containers are required."""
    if os.environ.get("HELIOGRAPH_REQUIRE_CONTAINERS") == "1":
        pytest.fail(str(why), pytrace=False)
    pytest.skip(f"containers are not on this machine: {why}")
