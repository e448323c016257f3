"""One delivery of a JetStream message. All acknowledgements are confirmed by the server; a plain ack is fire and forget."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.settled import Settled
from heliograph_common.errors import BusUnavailable

_TIMEOUT = 5.0


class JetStreamDelivery:
    """A message in hand until it is acknowledged, returned or terminated, or until its ``ack_wait`` runs out; ``settled``
    notes what became of it."""

    def __init__(self, bus: Bus, message: Msg, ack_wait: float, signs: LifeSigns, settled: Settled) -> None:
        self._bus = bus
        self._message = message
        self._signs = signs
        self._settled = settled
        self.ack_wait = ack_wait

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

    def hold(self, seconds: float) -> None:
        """Keeps it from being delivered again for ``seconds`` at most, whatever the event loop is busy with; ends with
        ``release``, and when it is acknowledged, returned or terminated."""
        self._signs.hold(self._message.reply, every=self.ack_wait / 3, until=time.monotonic() + seconds)

    def release(self) -> None:
        """Ends ``hold``: it is delivered again after ``ack_wait``."""
        self._signs.release(self._message.reply)

    async def ack(self) -> None:
        """It is done. Raises ``BusUnavailable`` when the server did not confirm; it will come again then."""
        await self._confirm(b"+ACK")
        self._settled.finished += 1

    async def nak(self, delay: float) -> None:
        """Have it delivered again after ``delay`` seconds."""
        await self._confirm(b"-NAK" + (b" " + json.dumps({"delay": round(delay * 1e9)}).encode() if delay > 0 else b""))
        self._settled.returned(delay)

    async def term(self, reason: str) -> None:
        """Never deliver it again."""
        await self._confirm(b"+TERM " + " ".join(reason.split())[:200].encode())
        self._settled.finished += 1

    async def _confirm(self, verb: bytes) -> None:
        self.release()
        if not self._bus.connected:
            raise BusUnavailable("NATS is not connected")
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._bus.client.request(self._message.reply, verb, timeout=_TIMEOUT)
        except (TimeoutError, NatsError) as error:
            raise BusUnavailable(f"{self.subject} was not acknowledged: {error!r}") from error
