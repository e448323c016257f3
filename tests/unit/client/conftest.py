"""The repository's root on the path, so that tests can import their helpers; a fake server and clients of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.unit.client.fake import TOKEN, FakeServer  # noqa: E402

from heliograph_client import AsyncClient, Connection, RetryPolicy  # noqa: E402


@pytest.fixture(scope="session")
def fake_server() -> Iterator[FakeServer]:
    """A server on loopback, in a thread of its own."""
    with FakeServer() as server:
        yield server


@pytest.fixture
def fake(fake_server: FakeServer) -> FakeServer:
    """The same, as if it had just started."""
    fake_server.reset()
    return fake_server


@pytest.fixture
def policy() -> RetryPolicy:
    """Retries that tests need not wait for."""
    return RetryPolicy(attempts=4, first=0.01, longest=0.05, patience=5)


@pytest.fixture
def connection(fake: FakeServer) -> Connection:
    """Where the fake is."""
    return Connection(api=fake.api, events=fake.events, token=TOKEN)


@pytest.fixture
async def client(connection: Connection, policy: RetryPolicy) -> AsyncIterator[AsyncClient]:
    """A client of the fake."""
    async with AsyncClient(connection, policy=policy) as made:
        yield made
