"""What the notifier's tests talk with: a nats-server, a publisher, a running notifier, and a socket that speaks JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import msgspec
from pydantic import SecretStr
from tests.polling import until
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from heliograph_common.auth.tokens import issue_token
from heliograph_common.bus.connection import Bus
from heliograph_common.clock import utc_now
from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Body
from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID, encode, envelope
from heliograph_common.contracts.messages import ImageReady, Stages
from heliograph_common.ids import new_id
from heliograph_common.runtime.health import Health
from heliograph_common.settings import AuthSettings
from heliograph_common.telemetry import metrics
from heliograph_notifier.transports.server import EventServer

READY = "dev.heliograph.image.ready"
AUTH = AuthSettings(secret=SecretStr("a secret for tests, long enough to be one"))


@dataclass
class Publisher:
    """Publishes ``image.ready`` events; ``sent`` keeps the event ids of each owner in order."""

    bus: Bus
    sent: dict[str, list[str]] = field(default_factory=dict)
    last_seq: int = 0

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
            self.last_seq = (await self.bus.jetstream.publish(subject, encode(message), headers=headers)).seq
            ids.append(str(message.id))
        self.sent.setdefault(owner, []).extend(ids)
        return ids


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

    @property
    def live(self) -> int:
        """Clients that are sent events as they come."""
        return len(list(self.server._hub.live()))

    async def joined(self, count: int = 1) -> None:
        """Returns once so many clients are ``live``; those of most transports are not told when they are."""
        await until(lambda: self.live >= count)

    async def stop(self) -> None:
        await self.stack.aclose()


class Socket:
    """A WebSocket client that speaks JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.cursor = ""
        self.kept: list[dict[str, Any]] = []

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

    async def expect_pong(self) -> None:
        """The socket answers; events that come before the pong are kept for ``ids_among_pongs``."""
        await self.say("ping")
        while (message := await self.receive()).get("op") != "pong":
            self.kept.append(message)

    async def ids_among_pongs(self, count: int) -> list[str]:
        """The ids of ``count`` events, those kept first."""
        self.kept += await self.events(count - len(self.kept))
        return [event["id"] for event in self.kept]

    async def silent(self, after: Publisher | None = None) -> None:
        """Nothing was sent: pings are answered by pongs alone until the notifier has read all that was published."""
        while True:
            await self.say("ping")
            cursor = (await self.expect("pong"))["cursor"]
            if after is None or int(cursor.partition(".")[2]) >= after.last_seq:
                return
            await asyncio.sleep(0.05)

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


StartNotifier = Callable[..., Awaitable[Notifier]]
"""Starts a notifier with the given socket settings."""


class Stream:
    """A parsed event stream (WHATWG HTML section 9.2.6)."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.last_event_id = ""
        self.retry = ""
        self.comments = 0
        self._lines = response.aiter_lines()

    async def next(self, timeout: float = 20) -> tuple[str, Any]:
        """Type and data of the next event; remembers ids, retry times and comments on the way."""
        kind = ""
        data = ""
        async with asyncio.timeout(timeout):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments += 1
                elif name == "id":
                    self.last_event_id = value
                elif name == "retry":
                    self.retry = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data = value
                elif line == "" and data:
                    return kind, msgspec.json.decode(data)
        return "", None

    async def ids(self, count: int) -> list[str]:
        events = [await self.next() for _ in range(count)]
        assert all(kind == READY for kind, _ in events), events
        return [data["id"] for _, data in events]


@asynccontextmanager
async def stream(
    notifier: Notifier,
    owner: str = "ann",
    *,
    cursor: str = "",
    query: str = "",
    lifetime: timedelta = timedelta(hours=1),
) -> AsyncIterator[Stream]:
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {token(owner, lifetime=lifetime)}"}
    if cursor:
        headers["Last-Event-ID"] = cursor
    async with (
        httpx2.AsyncClient(timeout=30, trust_env=False) as client,
        client.stream("GET", notifier.http_url + query, headers=headers) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-store"
        yield Stream(response)


@asynccontextmanager
async def admin_socket(
    notifier: Notifier, bearer: str | None = None, query: str = "", **options: Any
) -> AsyncIterator[Socket]:
    """A socket as the old pages open it: without a subprotocol."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    url = f"ws://127.0.0.1:{notifier.port}/api/ws/admin{query}"
    async with connect(url, additional_headers=headers, proxy=None, close_timeout=1, **options) as connection:
        yield Socket(connection)


async def tell(bus: Bus, owner: str, *bodies: Body) -> None:
    """Publishes events of an owner."""
    for body in bodies:
        message = envelope(body, owner=owner)
        headers = {HEADER_MESSAGE_ID: str(message.id)}
        await bus.jetstream.publish(subjects.event(body.type), encode(message), headers=headers)


def drops() -> float:
    """Clients closed for being slow so far."""
    return metrics.REGISTRY.get_sample_value("heliograph_socket_drops_total") or 0.0
