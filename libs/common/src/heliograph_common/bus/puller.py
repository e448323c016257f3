"""The pulls of one consumer: at most one that waits at the server, and one that does not wait.

nats-py's ``fetch`` is not used: a restart of the server leaves it waiting for its whole timeout, every 409 looks to it
like a timeout, and what it has in its queue ages unseen. Here each pull asks for exactly one message; lost pulls
(reconnect, two missed heartbeats) are sent again. Left out: the slots and what arrives (``pull``).
Protocol: JetStream API ``$JS.API.CONSUMER.MSG.NEXT`` (NATS ADR-13).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.health import PULL
from heliograph_common.bus.waiting_pull import WaitingPull
from heliograph_common.contracts.streams import ConsumerSpec

log = structlog.get_logger(__name__)

RETRY_AFTER_STATUS = 0.5
_ANSWER_TIMEOUT = 2.0
_NOTHING_THERE = "404"
_NO_MESSAGES = "No Messages"
_RAN_OUT = "408"


class Puller:
    """Hands each message to ``arrived`` as soon as it is here, and calls ``changed`` when a waiting pull has ended."""

    def __init__(
        self, bus: Bus, spec: ConsumerSpec, arrived: Callable[[Msg], None], changed: Callable[[], None]
    ) -> None:
        self._bus = bus
        self._spec = spec
        self._arrived = arrived
        self._changed = changed
        self._kind = f"{PULL} {spec.durable}"
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{spec.stream}.{spec.durable}"
        self._numbers = itertools.count()
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._asked: tuple[str, asyncio.Future[None]] | None = None
        self._all_answered = asyncio.Event()
        self._all_answered.set()
        self._waiting: WaitingPull | None = None
        self._leaving: list[WaitingPull] = []
        self._not_before = 0.0
        self._failing = ""

    async def close(self) -> None:
        """Gives up all pulls; messages that are on their way to them still arrive."""
        await self.withdraw()
        with contextlib.suppress(TimeoutError):  # a cancelled ask_now leaves an answer behind
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                await self._all_answered.wait()
        if self._subscription is not None:
            with contextlib.suppress(NatsError):
                await self._subscription.unsubscribe()
            self._subscription = None
        self._works()  # nobody will ever tell otherwise

    async def forget(self) -> None:
        """What was asked for on the old connection will not be answered."""
        self._answer()
        lost = [*self._leaving, *([self._waiting] if self._waiting else [])]
        self._leaving, self._waiting = [], None
        for pull in lost:
            await pull.drop()

    async def ask_now(self) -> None:
        """Has the next message arrive if there is one now. A waiting pull would have got it already, so none is asked
        beside it. Takes two seconds at most."""
        if self._has_live_pull() or time.monotonic() < self._not_before:
            return
        if self._subscription is None:
            self._inbox = self._bus.client.new_inbox()
            self._subscription = await self._bus.client.subscribe(f"{self._inbox}.*", cb=self._receive)
        reply = f"{self._inbox}.{next(self._numbers)}"
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked = (reply, answer)
        try:
            self._all_answered.clear()
            await self._bus.client.publish(self._subject, b'{"batch":1,"no_wait":true}', reply=reply)
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                await answer
        except TimeoutError:
            self._all_answered.set()
            if self._bus.connected:
                self._failed("pulls are not answered")
        finally:
            self._asked = None

    async def stand(self) -> bool:
        """Leaves a pull with the server that answers when a message comes; ``False`` when it is too early to ask again."""
        if self._waiting is not None and self._waiting.silent:
            self._failed("a pull was lost: no heartbeats")
            await self.withdraw()
        if not self._has_live_pull() and time.monotonic() >= self._not_before:
            pull = WaitingPull(self._bus.client, self._answered, self._works)
            self._waiting = pull
            await pull.ask(self._subject)
        return self._has_live_pull()

    async def withdraw(self) -> None:
        """Takes back the pull that stands with the server."""
        self._leaving = [pull for pull in self._leaving if not pull.finished]
        if self._waiting is not None:
            pull, self._waiting = self._waiting, None
            self._leaving.append(pull)
            await pull.withdraw()

    def _has_live_pull(self) -> bool:
        return self._waiting is not None and not self._waiting.ended

    async def _receive(self, message: Msg) -> None:
        self._take(message)
        # A status comes under the reply subject, so that one for an older pull shows; a message under its own subject.
        of_another = "Status" in (message.headers or {}) and self._asked and message.subject != self._asked[0]
        if not of_another:
            self._answer()

    def _answer(self) -> None:
        self._all_answered.set()
        if self._asked is not None and not self._asked[1].done():
            self._asked[1].set_result(None)

    def _answered(self, message: Msg) -> None:
        self._take(message)
        self._changed()

    def _take(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            self._works()
            self._arrived(message)
            return
        description = headers.get("Description", "").strip()
        if status == _RAN_OUT or (status == _NOTHING_THERE and description == _NO_MESSAGES):
            self._works()
        else:
            self._failed(f"{status} {description or 'no such consumer, or JetStream is not up'}")

    def _works(self) -> None:
        self._failing = ""
        self._bus.health.succeeded(self._kind)

    def _failed(self, reason: str) -> None:
        if reason != self._failing:
            log.warning("pull failed", consumer=self._spec.durable, reason=reason)
        self._failing = reason
        self._bus.health.failed(self._kind, reason)
        self._not_before = time.monotonic() + RETRY_AFTER_STATUS
