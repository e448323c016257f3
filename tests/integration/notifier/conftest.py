"""A notifier in this process over a nats-server of the test's own, and clients that talk to it over real sockets."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from heliograph_common.auth.tokens import issue_token
from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.clock import utc_now
from heliograph_common.contracts import subjects
from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID, encode, envelope
from heliograph_common.contracts.messages import ImageReady, Stages
from heliograph_common.ids import new_id
from heliograph_common.runtime.health import Health
from heliograph_common.settings import AuthSettings, HttpSettings, NatsSettings
from heliograph_notifier.bootstrap import build
from heliograph_notifier.server import EventServer
from heliograph_notifier.settings import NotifierSettings, SocketSettings

READY = "dev.heliograph.image.ready"
AUTH = AuthSettings(secret=SecretStr("a secret for tests, long enough to be one"))


class NatsServer:
    """nats-server with JetStream on a port of its own; its data outlive a restart."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.settings = NatsSettings(url=f"nats://127.0.0.1:{port}")
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}/data", sync_interval: always }}\n'
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            ".venv/bin/nats-server", "-c", str(self._config), stdout=quiet, stderr=quiet
        )

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """The test's own connection, with the streams provisioned."""
    bus = Bus(nats_server.settings, client_name="test")
    await bus.start()
    await asyncio.wait_for(bus.wait_connected(), 10)
    await provision(bus.jetstream, nats_server.settings)
    yield bus
    await bus.stop(2)


@dataclass
class Publisher:
    """Publishes ``image.ready`` events; ``sent`` keeps the event ids of each owner in order."""

    bus: Bus
    sent: dict[str, list[str]] = field(default_factory=dict)

    async def __call__(
        self, owner: str, count: int = 1, *, image_id: UUID | None = None, name: str = "a.jpg", traceparent: str = ""
    ) -> list[str]:
        ids = []
        for _ in range(count):
            body = ImageReady(
                image_id=image_id or new_id(), name=name, progress=100, stages=Stages(), accepted_at=utc_now()
            )
            message = envelope(body, owner=owner)
            headers = {HEADER_MESSAGE_ID: str(message.id), **({"traceparent": traceparent} if traceparent else {})}
            subject = subjects.event(ImageReady.type)
            await self.bus.jetstream.publish(subject, encode(message), headers=headers)
            ids.append(str(message.id))
        self.sent.setdefault(owner, []).extend(ids)
        return ids


@pytest.fixture
def publish(bus: Bus) -> Publisher:
    return Publisher(bus)


@dataclass
class Notifier:
    """A running notifier."""

    port: int
    health: Health
    server: EventServer
    stack: AsyncExitStack

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/events"

    @asynccontextmanager
    async def socket(
        self,
        subprotocol: str = "heliograph.v1",
        *,
        token: str | None = None,
        query: str = "",
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> AsyncIterator[Socket]:
        all_headers = dict(headers or {})
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        url = f"ws://127.0.0.1:{self.port}/v1/events{query}"
        async with connect(
            url,
            subprotocols=[Subprotocol(subprotocol)],
            additional_headers=all_headers,
            proxy=None,
            close_timeout=1,
            **options,
        ) as connection:
            yield Socket(connection)

    @asynccontextmanager
    async def subscribed(
        self, owner: str, *, scopes: Sequence[str] = ("images:read",), **ask: Any
    ) -> AsyncIterator[Socket]:
        """A ``heliograph.v1`` socket after ``ready``; ``socket.cursor`` is where it began."""
        async with self.socket(token=token(owner, scopes=scopes)) as socket:
            await socket.expect("auth_ok")
            await socket.say("subscribe", **ask)
            socket.cursor = (await socket.expect("ready"))["cursor"]
            yield socket

    async def stop(self) -> None:
        await self.stack.aclose()


class Socket:
    """A WebSocket client that speaks JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.cursor = ""

    async def say(self, op: str, **fields: Any) -> None:
        await self.connection.send(msgspec.json.encode({"op": op, **fields}).decode())

    async def receive(self, timeout: float = 20) -> dict[str, Any]:
        async with asyncio.timeout(timeout):
            frame = await self.connection.recv()
        assert isinstance(frame, str)
        message: dict[str, Any] = msgspec.json.decode(frame)
        return message

    async def expect(self, op: str) -> dict[str, Any]:
        message = await self.receive()
        assert message.get("op") == op, message
        return message

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The next frames, all of them events; remembers the last one's cursor."""
        events = [await self.receive() for _ in range(count)]
        assert all("specversion" in event for event in events), events
        if events:
            self.cursor = events[-1]["cursor"]
        return events

    async def ids(self, count: int) -> list[str]:
        return [event["id"] for event in await self.events(count)]

    async def silent(self) -> None:
        """Nothing more has been sent: a ping is answered by its pong at once."""
        await self.say("ping")
        await self.expect("pong")

    async def closed(self, timeout: float = 20) -> tuple[int | None, str]:
        """Code and reason, after the server has closed."""
        async with asyncio.timeout(timeout):
            await self.connection.wait_closed()
        return self.connection.close_code, self.connection.close_reason or ""


def token(
    owner: str,
    *,
    scopes: Sequence[str] = ("images:read",),
    lifetime: timedelta = timedelta(hours=1),
    auth: AuthSettings = AUTH,
) -> str:
    return issue_token(auth, subject=owner, scopes=scopes, lifetime=lifetime)


StartNotifier = Callable[..., Any]


@pytest.fixture
async def start_notifier(nats_server: NatsServer, bus: Bus) -> AsyncIterator[StartNotifier]:
    """Starts a notifier with the given socket settings; stops all at the end."""
    del bus  # the streams must be there
    running: list[Notifier] = []

    async def start(**sockets: Any) -> Notifier:
        chosen = {"drain_notice_seconds": 0.1, "drain_spread_seconds": 0.2, "abort_seconds": 0.5, **sockets}
        settings = NotifierSettings(
            nats=nats_server.settings, auth=AUTH, http=HttpSettings(port=0), sockets=SocketSettings(**chosen)
        )
        health = Health(cache_seconds=0)
        components = await build(settings, health)
        stack = AsyncExitStack()
        for component in components:
            stack.push_async_callback(component.stop, 5.0)
            await component.start()
        health.phase = "serving"
        server = components[-1]
        assert isinstance(server, EventServer)
        notifier = Notifier(server.port, health, server, stack)
        running.append(notifier)
        async with asyncio.timeout(10):
            while not (await health.report()).ready:
                await asyncio.sleep(0.02)
        return notifier

    yield start
    for notifier in running:
        await notifier.stop()


@pytest.fixture
async def notifier(start_notifier: StartNotifier) -> Notifier:
    started: Notifier = await start_notifier()
    return started
