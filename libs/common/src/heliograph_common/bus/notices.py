"""Core NATS: messages that no stream stores. Whoever listens gets them, and what is said while nobody does is gone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from heliograph_common.bus.connection import Bus

log = structlog.get_logger(__name__)

_SEND_SECONDS = 1.0
_QUEUED_MESSAGES = 8_192
_QUEUED_BYTES = 16 << 20
"""What may wait for ``receive``; nats-py drops what is beyond."""


async def say(bus: Bus, subject: str, payload: bytes) -> bool:
    """Sends ``payload`` to whoever listens, without waiting for anyone; whether it could leave. Never raises for a server
    that is away, and keeps nothing for its return."""
    if not bus.connected:
        return False
    try:
        async with asyncio.timeout(_SEND_SECONDS):
            await bus.client.publish(subject, payload)
    except (TimeoutError, OSError, NatsError) as error:
        log.debug("not sent", subject=subject, error=repr(error))
        return False
    return True


class Listener:
    """A component: hands each message of ``subject`` to ``receive``, through every reconnect. ``receive`` must not raise."""

    def __init__(self, bus: Bus, subject: str, receive: Callable[[bytes], None]) -> None:
        self.name = f"listener-{subject}"
        self._bus = bus
        self._subject = subject
        self._receive = receive
        self._subscription: Subscription | None = None
        self._since: float | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def listening_for(self) -> float:
        """Seconds in which nothing that was said can have been missed; 0 while NATS is away."""
        return time.monotonic() - self._since if self._since is not None and self._bus.connected else 0.0

    async def start(self) -> None:
        """Begins to listen once NATS is there."""
        self._bus.on_reconnect(self._reconnected)
        self._starting = asyncio.create_task(self._subscribe(), name=self.name)

    async def stop(self, deadline_seconds: float) -> None:
        """Listens no more."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._subscription is not None:
            with contextlib.suppress(TimeoutError, OSError, NatsError):
                async with asyncio.timeout(min(deadline_seconds, _SEND_SECONDS)):
                    await self._subscription.unsubscribe()

    async def _subscribe(self) -> None:
        while self._subscription is None:
            await self._bus.wait_connected()
            try:
                self._subscription = await self._bus.client.subscribe(
                    self._subject,
                    cb=self._arrived,
                    pending_msgs_limit=_QUEUED_MESSAGES,
                    pending_bytes_limit=_QUEUED_BYTES,
                )
            except (OSError, NatsError) as error:
                log.warning("subscribing failed, retrying", subject=self._subject, error=repr(error))
                await asyncio.sleep(_SEND_SECONDS)
        self._since = time.monotonic()

    async def _arrived(self, message: Msg) -> None:
        self._receive(message.data)

    def _reconnected(self) -> None:
        # nats-py has subscribed again by itself; what was said in between is lost.
        if self._since is not None:
            self._since = time.monotonic()
