"""pytest plugin: real servers for tests. Load it with ``pytest_plugins = ["heliograph_local.testing"]``.

One stack of servers serves the whole session, all workers of pytest-xdist included; each test gets its own world inside:
a database copied from a migrated template, a NATS account, a bucket. A test that harms servers starts its own ``Stack``
instead and uses ``Faults`` on it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from heliograph_local.services import PROVISION
from heliograph_local.testing.host import exclusive, shared_servers
from heliograph_local.testing.worlds import (
    Bucket,
    Database,
    NatsAccount,
    Servers,
    copy_database,
    create_bucket,
    create_database,
    delete_bucket,
    delete_streams,
    drop_database,
    environment_of,
    free_account,
    template_account,
)

__all__ = ["Bucket", "Database", "NatsAccount", "Provision", "Servers", "new_stack_folder"]

Provision = Callable[[dict[str, str]], None]
"""Brings a database, a NATS account and a bucket into shape; gets the environment that names them."""


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def embedded_servers(session_folder: Path) -> Iterator[Servers]:
    """NATS, PostgreSQL and S3, started by the first worker that asks."""
    with shared_servers(session_folder) as running:
        yield running


@pytest.fixture(scope="session")
def servers(embedded_servers: Servers) -> Servers:
    """The servers in which all worlds are made. Override it to run tests on others."""
    return embedded_servers


@contextmanager
def new_stack_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder for a test's own ``Stack``, below ``parent``. Not ``tmp_path``: when root runs the tests, PostgreSQL's user
    must be able to enter it."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-test-", dir=parent))
    folder.chmod(0o711)
    yield folder / "stack"
    shutil.rmtree(folder)


@pytest.fixture
def stack_folder() -> Iterator[Path]:
    """An empty folder for a test's own ``Stack``."""
    with new_stack_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def provision() -> Provision:
    """How the template comes about: ``python -m heliograph_common.provision``. Override it to test another schema."""

    def run(environment: dict[str, str]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", PROVISION],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"provisioning the template failed:\n{done.stdout}{done.stderr}", pytrace=False)

    return run


@pytest.fixture(scope="session")
def template(servers: Servers, session_folder: Path, provision: Provision) -> Database:
    """The database that those of the tests are copied from; made once in these servers. Nobody may be connected to it."""
    made = Path(servers.data) / "template.made"
    database = servers.database("heliograph_template")
    with exclusive(session_folder / "template.lock"):
        if not made.exists():
            create_database(servers, database)
            provision(environment_of(database, template_account(servers), create_bucket(servers)))
            made.touch()
    return database


@pytest.fixture
def database(servers: Servers, template: Database) -> Iterator[Database]:
    """A fresh database with the current schema."""
    copy = copy_database(servers, template)
    yield copy
    drop_database(servers, copy)


@pytest.fixture
async def nats_account(servers: Servers, session_folder: Path) -> AsyncIterator[NatsAccount]:
    """An account of the test's own; its streams are deleted afterwards."""
    with free_account(servers, session_folder) as account:
        yield account
        await delete_streams(account)


@pytest.fixture
def bucket(servers: Servers) -> Iterator[Bucket]:
    """A fresh bucket."""
    made = create_bucket(servers)
    yield made
    delete_bucket(made)


@pytest.fixture
def heliograph_environment(database: Database, nats_account: NatsAccount, bucket: Bucket) -> dict[str, str]:
    """The environment variables with which a service or its settings find the test's own world."""
    return environment_of(database, nats_account, bucket)
