"""Pulls messages for a worker with a fixed number of slots, from several consumers in order of priority.

nats-py's ``fetch`` is not used: a restart of the server leaves it waiting for its whole timeout, every 409 looks to it
like a timeout, and what it has in its queue ages unseen. Here each pull asks for exactly one message and is
remembered by its reply subject; lost pulls (reconnect, two missed heartbeats) are asked for anew. A status comes to
that reply subject, but a message comes under its own subject, so each kind of pull has a subscription of its own.
Protocol: JetStream API ``$JS.API.CONSUMER.MSG.NEXT`` (NATS ADR-13).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Sequence

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.delivery import JetStreamDelivery
from heliograph_common.contracts.streams import ConsumerSpec
from heliograph_common.errors import BusUnavailable

log = structlog.get_logger(__name__)

_NO_WAIT_TIMEOUT = 2.0
_STANDING_EXPIRES = 30.0
_HEARTBEAT = 5.0
_RETRY_AFTER_STATUS = 0.5
_QUIET_STATUS = {"404", "408"}  # nothing there; the pull ran out


class _Puller:
    """The pulls of one consumer: at most one standing, and one that does not wait."""

    def __init__(self, bus: Bus, spec: ConsumerSpec, ack_wait: float) -> None:
        self._bus = bus
        self._spec = spec
        self._ack_wait = ack_wait
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{spec.stream}.{spec.durable}"
        self._numbers = itertools.count()
        self._subscriptions: list[Subscription] = []
        self._inbox = ""
        self._asked: tuple[str, asyncio.Future[Msg | None]] | None = None
        self._standing: str | None = None
        self._alive_at = 0.0
        self._not_before = 0.0
        self._source: PullSource | None = None

    async def open(self, source: PullSource) -> None:
        self._source = source
        client = self._bus.client
        self._inbox = client.new_inbox()
        self._subscriptions = [
            await client.subscribe(f"{self._inbox}.now.*", cb=self._receive_asked),
            await client.subscribe(f"{self._inbox}.standing.*", cb=self._receive_standing),
        ]

    async def close(self) -> None:
        for subscription in self._subscriptions:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()
        self._subscriptions = []

    def forget(self) -> None:
        """What was asked for on the old connection will not be answered."""
        self._standing = None
        if self._asked is not None and not self._asked[1].done():
            self._asked[1].set_result(None)

    async def ask_now(self) -> Msg | None:
        """The next message if there is one now. A standing pull would have got it already, so none is asked beside it."""
        if self._standing is not None or time.monotonic() < self._not_before:
            return None
        reply = self._new_reply("now")
        future: asyncio.Future[Msg | None] = asyncio.get_running_loop().create_future()
        self._asked = (reply, future)
        try:
            await self._request(reply, {"batch": 1, "no_wait": True})
            async with asyncio.timeout(_NO_WAIT_TIMEOUT):
                return await future
        except TimeoutError:
            return None
        finally:
            self._asked = None

    async def stand(self) -> None:
        """Leaves a pull with the server that answers when a message comes."""
        now = time.monotonic()
        if self._standing is not None and now - self._alive_at > 2 * _HEARTBEAT:
            log.warning("pull lost, asking again", consumer=self._spec.durable)
            self._standing = None
        if self._standing is None and now >= self._not_before:
            self._standing = self._new_reply("standing")
            self._alive_at = now
            await self._request(
                self._standing,
                {"batch": 1, "expires": round(_STANDING_EXPIRES * 1e9), "idle_heartbeat": round(_HEARTBEAT * 1e9)},
            )

    def wrap(self, message: Msg) -> JetStreamDelivery:
        return JetStreamDelivery(self._bus, message, self._ack_wait)

    def _new_reply(self, kind: str) -> str:
        return f"{self._inbox}.{kind}.{next(self._numbers)}"

    async def _request(self, reply: str, request: dict[str, object]) -> None:
        await self._bus.client.publish(self._subject, json.dumps(request).encode(), reply=reply)

    async def _receive_asked(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        asked = self._asked
        if status is not None:
            self._note_status(status, message)
            if asked is not None and message.subject == asked[0] and not asked[1].done():
                asked[1].set_result(None)
        elif asked is not None and not asked[1].done():
            asked[1].set_result(message)
        else:
            await self._offer(message)

    async def _receive_standing(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status == "100":
            self._alive_at = time.monotonic()
            return
        if status is None:
            self._standing = None
            await self._offer(message)
        else:
            self._note_status(status, message)
            if message.subject == self._standing:
                self._standing = None
        if self._source is not None:
            self._source.wake()

    async def _offer(self, message: Msg) -> None:
        if self._source is not None:
            await self._source.offer(self.wrap(message))

    def _note_status(self, status: str, message: Msg) -> None:
        if status not in _QUIET_STATUS:
            description = (message.headers or {}).get("Description", "no such consumer or JetStream is not up yet")
            log.warning("pull refused", consumer=self._spec.durable, status=status, description=description)
            self._not_before = time.monotonic() + _RETRY_AFTER_STATUS


class PullSource:
    """Messages of several consumers, those named first first. ``ack_wait`` is in seconds and the consumers' own."""

    def __init__(self, bus: Bus, consumers: Sequence[ConsumerSpec], *, ack_wait: float) -> None:
        self._bus = bus
        self._pullers = [_Puller(bus, spec, ack_wait) for spec in consumers]
        self._held: asyncio.Queue[JetStreamDelivery] = asyncio.Queue()
        self._wake = asyncio.Event()
        self._waiting = False
        self._open = False

    async def next(self) -> JetStreamDelivery:
        """The next message; call it only with a slot free. Waits as long as there is none."""
        self._waiting = True
        try:
            while True:
                await self._bus.wait_connected()
                try:
                    delivery = await self._try_next()
                except (NatsError, OSError) as error:
                    log.warning("pull failed", error=repr(error))
                    await asyncio.sleep(_RETRY_AFTER_STATUS)
                    continue
                if delivery is not None:
                    return delivery
        finally:
            self._waiting = False

    async def release(self) -> None:
        """Gives back what came without a slot to put it in, so that another worker can have it now."""
        while not self._held.empty():
            await self._give_back(self._held.get_nowait())

    async def close(self) -> None:
        """Stops pulling and gives back what nobody took."""
        for puller in self._pullers:
            await puller.close()
        await self.release()

    async def offer(self, delivery: JetStreamDelivery) -> None:
        """Takes a message that answered a standing pull."""
        if self._waiting:
            self._held.put_nowait(delivery)
            self._wake.set()
        else:
            await self._give_back(delivery)

    def wake(self) -> None:
        """Something changed: look again."""
        self._wake.set()

    async def _try_next(self) -> JetStreamDelivery | None:
        await self._ensure_open()
        self._wake.clear()
        if not self._held.empty():  # first, because its ack_wait is running
            return self._held.get_nowait()
        for puller in self._pullers:
            message = await puller.ask_now()
            if message is not None:
                return puller.wrap(message)
        for puller in self._pullers:
            await puller.stand()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEARTBEAT):
                await self._wake.wait()
        return None if self._held.empty() else self._held.get_nowait()

    async def _ensure_open(self) -> None:
        if not self._open:
            for puller in self._pullers:
                await puller.open(self)
            self._bus.on_reconnect(self._reconnected)
            self._open = True

    def _reconnected(self) -> None:
        for puller in self._pullers:
            puller.forget()
        self._wake.set()

    async def _give_back(self, delivery: JetStreamDelivery) -> None:
        # It comes back after ack_wait at the latest, so a failure here only costs time.
        with contextlib.suppress(BusUnavailable):
            await delivery.nak(0)
