"""The one connection of a process to NATS. It reconnects for ever and tells who asks whether it is up and since when."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from heliograph_common.errors import BusUnavailable
from heliograph_common.settings import NatsSettings

log = structlog.get_logger(__name__)

_CLOSE_TIMEOUT = 3.0


class Bus:
    """Owns the client. ``start`` does not wait for NATS: services come up without it and say so in ``/readyz``."""

    name = "bus"

    def __init__(self, settings: NatsSettings, *, client_name: str) -> None:
        self._settings = settings
        self._client_name = client_name
        self._client = Client()
        self._jetstream: JetStreamContext = self._client.jetstream(timeout=5.0)
        self._connecting: asyncio.Task[None] | None = None
        self._down_since: float | None = time.monotonic()
        self._up = asyncio.Event()
        self._on_reconnect: list[Callable[[], None]] = []
        self._closing = False

    @property
    def client(self) -> Client:
        """The nats-py client."""
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        """The JetStream context; its requests time out after 5 s."""
        return self._jetstream

    @property
    def connected(self) -> bool:
        """Whether the connection is up now."""
        return self._up.is_set() and self._client.is_connected

    def down_for(self) -> float:
        """Seconds since the connection was last up; 0 while it is."""
        return 0.0 if self._down_since is None else time.monotonic() - self._down_since

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Calls ``callback`` after each reconnect; what was asked of the old connection is lost by then."""
        self._on_reconnect.append(callback)

    async def wait_connected(self) -> None:
        """Returns once the connection is up."""
        await self._up.wait()

    async def start(self) -> None:
        """Begins to connect, in the background."""
        self._connecting = asyncio.create_task(self._connect(), name="bus-connect")

    async def stop(self, deadline_seconds: float) -> None:
        """Closes the connection after what was written has left. Not ``drain()``: one timed-out fetch makes it hang."""
        self._closing = True
        if self._connecting is not None:
            self._connecting.cancel()
        with contextlib.suppress(NatsError, asyncio.TimeoutError, OSError):
            if self.connected:
                async with asyncio.timeout(min(deadline_seconds, _CLOSE_TIMEOUT)):
                    await self._client.flush()
        with contextlib.suppress(NatsError, asyncio.TimeoutError, OSError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._client.close()

    async def ready(self) -> None:
        """Returns when JetStream answered.

        Raises:
            BusUnavailable: it did not.
        """
        if not self.connected:
            raise BusUnavailable("NATS is not connected")
        try:
            await self._jetstream.account_info()
        except (TimeoutError, NatsError) as error:
            raise BusUnavailable(f"JetStream does not answer: {error!r}") from error

    async def _connect(self) -> None:
        settings = self._settings
        delay = 0.2
        while True:
            try:
                await self._client.connect(
                    servers=[url.strip() for url in settings.url.split(",")],
                    name=self._client_name,
                    user=settings.user,
                    password=settings.password.get_secret_value() if settings.password else None,
                    tls=ssl.create_default_context(cafile=str(settings.ca_file)) if settings.ca_file else None,
                    allow_reconnect=True,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds, slept as given
                    connect_timeout=2,
                    ping_interval=5,
                    max_outstanding_pings=2,
                    error_cb=self._log_error,
                    disconnected_cb=self._went_down,
                    reconnected_cb=self._came_back,
                )
            except (TimeoutError, OSError, NatsError) as error:
                log.warning("nats is not reachable, trying again", error=str(error) or repr(error), delay=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
            else:
                self._mark_up()
                return

    async def _log_error(self, error: Exception) -> None:
        if not self._closing:
            log.warning("nats error", error=str(error) or repr(error))

    async def _went_down(self) -> None:
        self._up.clear()
        if self._down_since is None:
            self._down_since = time.monotonic()
        if not self._closing:
            log.warning("nats connection lost")

    async def _came_back(self) -> None:
        self._mark_up()
        log.info("nats connection is back")
        for callback in self._on_reconnect:
            callback()

    def _mark_up(self) -> None:
        self._down_since = None
        self._up.set()
