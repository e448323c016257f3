"""One delivery of a JetStream message. All acknowledgements are confirmed by the server; a plain ack is fire and forget."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from heliograph_common.bus.connection import Bus
from heliograph_common.errors import BusUnavailable

_TIMEOUT = 5.0


class JetStreamDelivery:
    """A message in hand until it is acknowledged, returned or terminated, or until its ``ack_wait`` runs out."""

    def __init__(self, bus: Bus, message: Msg, ack_wait: float) -> None:
        self._bus = bus
        self._message = message
        self.ack_wait = ack_wait
        self._alive: asyncio.Task[None] | None = None

    @property
    def subject(self) -> str:
        """The subject it was published to."""
        return self._message.subject

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, trace context included."""
        return self._message.headers or {}

    @property
    def payload(self) -> bytes:
        """Its body."""
        return self._message.data

    @property
    def deliveries(self) -> int:
        """How often it was delivered, this time included."""
        return self._message.metadata.num_delivered

    async def ack(self) -> None:
        """It is done. Raises ``BusUnavailable`` when the server did not confirm; it will come again then."""
        await self._confirm(b"+ACK")

    async def nak(self, delay: float) -> None:
        """Have it delivered again after ``delay`` seconds."""
        await self._confirm(b"-NAK" + (b" " + json.dumps({"delay": round(delay * 1e9)}).encode() if delay > 0 else b""))

    async def term(self, reason: str) -> None:
        """Never deliver it again."""
        await self._confirm(b"+TERM " + " ".join(reason.split())[:200].encode())

    def hold(self, seconds: float) -> None:
        """Sends signs of life for ``seconds``."""
        self._alive = asyncio.create_task(self._keep_alive(seconds))

    def release(self) -> None:
        """Ends them."""
        if self._alive is not None:
            self._alive.cancel()

    async def _keep_alive(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await asyncio.sleep(self.ack_wait / 3)
                    if self._bus.connected:
                        await self._bus.client.publish(self._message.reply, b"+WPI")

    async def _confirm(self, verb: bytes) -> None:
        if not self._bus.connected:
            raise BusUnavailable("NATS is not connected")
        try:
            await self._bus.client.request(self._message.reply, verb, timeout=_TIMEOUT)
        except (TimeoutError, NatsError) as error:
            raise BusUnavailable(f"{self.subject} was not acknowledged: {error!r}") from error
