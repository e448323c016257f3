"""A gateway with all its parts over the test's own servers, clients for several owners, and pictures."""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from heliograph_common.auth.tokens import issue_token
from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.db.engine import Database
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.http_server import HttpServer
from heliograph_common.runtime.lifecycle import Component
from heliograph_gateway.bootstrap import build
from heliograph_gateway.settings import GatewaySettings

EVERY_SCOPE = ("images:read", "images:write")


def png(width: int = 8, height: int = 6, seed: int = 0, level: int = -1) -> bytes:
    """A small PNG; other seeds give other bytes. ``level`` 0 has the same size everywhere: other ones depend on zlib."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + bytes((seed + 40 * x) % 256 for x in range(3 * width))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    comment = chunk(b"tEXt", b"Comment\0" + str(seed).encode())
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + comment
        + chunk(b"IDAT", zlib.compress(row * height, level))
        + chunk(b"IEND", b"")
    )


@dataclass
class Gateway:
    """A running gateway: its address, its settings, and tokens for it."""

    port: int
    settings: GatewaySettings
    health: Health

    def token(self, subject: str = "ann", scopes: Sequence[str] = EVERY_SCOPE, **more: Any) -> str:
        """A token that it accepts."""
        return issue_token(self.settings.auth, subject=subject, scopes=scopes, **more)

    @asynccontextmanager
    async def client(
        self, subject: str = "ann", scopes: Sequence[str] = EVERY_SCOPE, *, token: str | None = None
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """A client with a token of ``subject``, or with ``token`` (empty: without one)."""
        bearer = self.token(subject, scopes) if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=20, trust_env=False
        ) as client:
            yield client


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """A gateway in this process."""
    health = Health(cache_seconds=0)
    components: Sequence[Component] = await build(settings, health)
    for component in components:
        await component.start()
    health.phase = "serving"
    port = next(component.port for component in components if isinstance(component, HttpServer))
    try:
        yield Gateway(port, settings, health)
    finally:
        for component in reversed(components):
            await component.stop(3)


@pytest.fixture
async def bus(make_settings: Callable[..., Any]) -> AsyncIterator[Bus]:
    """The test's own connection, over which streams and consumers were made."""
    settings = make_settings(GatewaySettings)
    bus = Bus(settings.nats, client_name="test")
    await bus.start()
    await bus.wait_connected()
    await provision(bus.jetstream, settings.nats)
    yield bus
    await bus.stop(2)


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
