"""One pull that stands with the server until a message comes, and that can be withdrawn without losing one.

The server drops a pull whose reply subject nobody listens to any more; unsubscribing is how a pull is withdrawn. A message
may be on its way meanwhile, and a plain unsubscription would drop it here until its ``ack_wait`` is over. Nor can a flush
tell when nothing more comes: nats-py writes its PING ahead of what is buffered. So the subscription is limited to what has
arrived plus the two messages that can be on their way at once (a heartbeat and the answer), and two empty messages to
ourselves fill the limit: when it is full, server and client both end the subscription, and all that came was read. It is
read by iterating, because nats-py stops calling a callback back as soon as the limit has arrived, with messages unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

HEARTBEAT = 5.0
_EXPIRES = 30.0
_ON_THEIR_WAY = 2


class WaitingPull:
    """Asks once for one message. ``answered`` gets the message, or the status with which the server ended the pull;
    ``alive`` is called with each heartbeat."""

    def __init__(self, client: Client, answered: Callable[[Msg], None], alive: Callable[[], None]) -> None:
        self._client = client
        self._answered = answered
        self._alive = alive
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._reading: asyncio.Task[None] | None = None
        self._heard_at = time.monotonic()
        self.ended = False
        """It was answered."""

    @property
    def silent(self) -> bool:
        """Whether two heartbeats are missing: the server knows nothing of it (any more)."""
        return time.monotonic() - self._heard_at > 2 * HEARTBEAT

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left."""
        return self._reading is None or self._reading.done()

    async def ask(self, subject: str) -> None:
        """Sends it to ``subject``."""
        request = {"batch": 1, "expires": round(_EXPIRES * 1e9), "idle_heartbeat": round(HEARTBEAT * 1e9)}
        self._subscription = await self._client.subscribe(self._inbox)
        self._reading = asyncio.create_task(self._read(self._subscription))
        await self._client.publish(subject, json.dumps(request).encode(), reply=self._inbox)

    async def withdraw(self) -> None:
        """Takes it back. A message that is on its way is still answered with."""
        if self._subscription is None or self.ended:
            return
        with contextlib.suppress(NatsError):
            await self._subscription.unsubscribe(self._subscription.delivered + _ON_THEIR_WAY)
            for _ in range(_ON_THEIR_WAY):
                await self._client.publish(self._inbox)

    async def drop(self) -> None:
        """Ends it at once; what may be on its way is lost to this client."""
        if self._subscription is not None and not self.finished:
            with contextlib.suppress(NatsError):
                await self._subscription.unsubscribe()

    async def _read(self, subscription: Subscription) -> None:
        async for message in subscription.messages:
            self._heard_at = time.monotonic()
            status = (message.headers or {}).get("Status")
            if status == "100":
                self._alive()
            elif status is not None or message.reply:  # else it is an empty message of ours
                self.ended = True
                self._answered(message)
                break
        if self.ended:
            await self.drop()
