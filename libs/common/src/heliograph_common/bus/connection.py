"""A connection to NATS. It reconnects for ever and tells who asks whether NATS works (see ``bus.health``).

nats-py closes its client for good on some errors of the server, such as a message that is too large. Nothing can be sent
or received then, so ``died`` ends the process and its supervisor starts a fresh one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from heliograph_common.bus.health import CONNECTION, PULL, BusHealth
from heliograph_common.errors import BusUnavailable
from heliograph_common.settings import NatsSettings

log = structlog.get_logger(__name__)

_CLOSE_TIMEOUT = 3.0
_LOOK_EVERY = 0.5


class Bus:
    """Owns the client. ``start`` does not wait for NATS: services come up without it and say so in ``/readyz``."""

    name = "bus"

    def __init__(self, settings: NatsSettings, *, client_name: str) -> None:
        self._settings = settings
        self._client_name = client_name
        self._client = Client()
        self._jetstream: JetStreamContext = self._client.jetstream(timeout=5.0)
        self._connecting: asyncio.Task[None] | None = None
        self.health = BusHealth()
        """What worked and what did not; whoever asks something of NATS notes it here."""
        self.health.failed(CONNECTION, "not connected yet")
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

    @property
    def settings(self) -> NatsSettings:
        """What it was made with."""
        return self._settings

    def down_for(self) -> float:
        """Seconds since messages can no longer be pulled: no connection, or pulls that are not answered; else 0."""
        return self.health.down_for(CONNECTION, PULL)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Calls ``callback`` after each reconnect; what was asked of the old connection is lost by then."""
        self._on_reconnect.append(callback)

    async def wait_connected(self) -> None:
        """Returns once the connection is up."""
        await self._up.wait()

    async def start(self) -> None:
        """Begins to connect, in the background."""
        self._connecting = asyncio.create_task(self._connect(), name="bus-connect")

    async def died(self) -> None:
        """Waits while the client lives.

        Raises:
            BusUnavailable: nats-py has closed it for good, with the reason; never after ``stop``.
        """
        # Looked at rather than told by a callback: nats-py skips its callbacks where it closes while connecting.
        while self._closing or not self._ended():  # noqa: ASYNC110 - see above
            await asyncio.sleep(_LOOK_EVERY)
        raise BusUnavailable(f"nats-py has closed the connection for good: {self._client.last_error!r}")

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
        """Returns when all that was asked of NATS last worked, and JetStream answered.

        Raises:
            BusUnavailable: with the reason.
        """
        reason = self.health.reason()
        if reason is not None:
            raise BusUnavailable(reason)
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
                    flush_timeout=5,
                    ping_interval=5,
                    max_outstanding_pings=2,
                    error_cb=self._log_error,
                    disconnected_cb=self._went_down,
                    reconnected_cb=self._came_back,
                )
            except (TimeoutError, OSError, NatsError) as error:
                log.warning("nats connection failed, retrying", error=str(error) or repr(error), delay=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
            else:
                self._mark_up()
                return

    async def _log_error(self, error: Exception) -> None:
        if self._closing and (task := asyncio.current_task()) is not None and task.cancelling():
            # asyncio.wait_for loses a cancellation that meets a refused connection (python/cpython#86296), and nats-py would
            # try to reconnect for ever: asyncio.run waits for it at the end.
            raise asyncio.CancelledError
        if not self._closing:
            log.warning("nats error", error=str(error) or repr(error))

    async def _went_down(self) -> None:
        self._up.clear()
        self.health.failed(CONNECTION, "the connection to NATS is lost")
        if not self._closing:
            log.warning("nats connection lost")

    async def _came_back(self) -> None:
        self._mark_up()
        log.info("nats connection restored")
        for callback in self._on_reconnect:
            callback()

    def _mark_up(self) -> None:
        self.health.succeeded(CONNECTION)
        self._up.set()

    def _ended(self) -> bool:
        """Whether the client is closed for good; raises what ended the first attempts to connect, between which it
        counts as closed too."""
        if self._connecting is None or not self._connecting.done():
            return False
        self._connecting.result()
        return self._client.is_closed
