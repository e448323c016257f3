"""A fake server and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.unit.client.fake import TOKEN, FakeServer

from heliograph_client import AsyncClient, Connection, RetryPolicy


@pytest.fixture(scope="session")
def fake_server() -> Iterator[FakeServer]:
    """A server on loopback, in a thread of its own."""
    with FakeServer() as server:
        yield server


@pytest.fixture
def fake(fake_server: FakeServer) -> Iterator[FakeServer]:
    """The same, as if it had just started. The test fails where it, or its client, differs from the gateway's document."""
    fake_server.reset()
    yield fake_server
    assert fake_server.undocumented == []


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
