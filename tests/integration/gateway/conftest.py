"""A gateway with all its parts over the test's own servers, clients for several owners, and pictures."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import pytest
from tests.components import provisioned_bus
from tests.corpus.pictures import png
from tests.integration.gateway.support import Gateway, running

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_gateway.settings import GatewaySettings


@pytest.fixture
async def bus(make_settings: Callable[..., Any]) -> AsyncIterator[Bus]:
    """The test's own connection, over which streams and consumers were made."""
    async with provisioned_bus(make_settings(GatewaySettings).nats) as bus:
        yield bus


@pytest.fixture
async def db(make_settings: Callable[..., Any]) -> AsyncIterator[Database]:
    """The test's own way to the tables."""
    database = Database(make_settings(GatewaySettings).database, application="test")
    yield database
    await database.close()


@pytest.fixture
def gateway_settings(make_settings: Callable[..., Any]) -> GatewaySettings:
    """Settings of a gateway on a free port that reads bodies for two seconds."""
    settings: GatewaySettings = make_settings(
        GatewaySettings, http={"port": 0}, gateway={"body_timeout_seconds": 2.0}, limits={"files_per_request": 3}
    )
    return settings


@pytest.fixture
async def gateway(gateway_settings: GatewaySettings, bus: Bus) -> AsyncIterator[Gateway]:
    """A gateway that runs during the test."""
    async with running(gateway_settings) as found:
        yield found


@pytest.fixture
async def ann(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an owner."""
    async with gateway.client("ann") as client:
        yield client


@pytest.fixture
async def bob(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of another owner."""
    async with gateway.client("bob") as client:
        yield client


@pytest.fixture
async def admin(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an administrator."""
    async with gateway.client("root", ("admin",)) as client:
        yield client


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Makes a small PNG: ``picture(seed=…)``."""
    return png


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port of this machine that refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
async def blobs(gateway_settings: GatewaySettings) -> AsyncIterator[MinioBlobs]:
    """The test's own way to the objects."""
    blobs = MinioBlobs(gateway_settings.s3)
    yield blobs
    await blobs.close()
