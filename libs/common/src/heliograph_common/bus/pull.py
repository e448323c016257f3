"""Hands a worker with a fixed number of slots the messages of several consumers, in order of priority.

A message that arrives without a slot to put it in is given back, and counts as delivered. So a busy worker keeps no pulls
with the server (``Puller.withdraw``): what comes meanwhile goes to a worker that is free, or waits undelivered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.delivery import JetStreamDelivery
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.puller import RETRY_AFTER_STATUS, Puller
from heliograph_common.bus.settled import Settled
from heliograph_common.bus.waiting_pull import HEARTBEAT
from heliograph_common.contracts.streams import ConsumerSpec
from heliograph_common.errors import BusUnavailable

log = structlog.get_logger(__name__)

_LINGER = 0.05
"""Seconds between two calls of ``next`` in which pulls stay, so that a worker with slots free need not ask again."""

_GIVE_BACK_TIMEOUT = 5.0
_LOOK_TIMEOUT = 20.0
_WITHDRAW_TIMEOUT = 2.0


class PullSource:
    """Messages of several consumers, those named first first. ``ack_wait`` is in seconds and the consumers' own;
    ``signs`` send the deliveries' signs of life, and ``settled`` notes by durable what became of messages."""

    def __init__(
        self,
        bus: Bus,
        consumers: Sequence[ConsumerSpec],
        *,
        ack_wait: float,
        signs: LifeSigns,
        settled: Mapping[str, Settled] | None = None,
    ) -> None:
        self._bus = bus
        self._ack_wait = ack_wait
        self._signs = signs
        settled = settled or {spec.durable: Settled() for spec in consumers}
        self._pullers = [
            Puller(bus, spec, partial(self._arrived, priority, settled[spec.durable]), self._wake_up)
            for priority, spec in enumerate(consumers)
        ]
        self._held: list[tuple[int, JetStreamDelivery]] = []
        self._wake = asyncio.Event()
        self._waiting = False
        self._keeping = False
        self._linger: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._registered = False

    async def next(self) -> JetStreamDelivery:
        """The next message; call it only with a slot free. Waits as long as there is none. May be cancelled: what had
        arrived by then is for the next call, or is given back."""
        self._begin()
        try:
            while True:
                if self._held:  # first, because its ack_wait is running
                    return self._take()
                await self._bus.wait_connected()
                try:
                    async with asyncio.timeout(_LOOK_TIMEOUT):
                        await self._look()
                except (NatsError, OSError) as error:
                    log.warning("pull failed", error=repr(error))
                    await asyncio.sleep(RETRY_AFTER_STATUS)
        finally:
            self._waiting = False
            self._linger = asyncio.get_running_loop().call_later(_LINGER, self._leave)

    async def release(self) -> None:
        """No slot is free: takes back the pulls, and gives back what came without a slot to put it in, so that another
        worker can have it now."""
        self._keeping = self._waiting
        self._stop_lingering()
        held, self._held = self._held, []
        for puller in self._pullers:
            if self._waiting:  # a slot is free again
                break
            with contextlib.suppress(NatsError, OSError):
                async with asyncio.timeout(_WITHDRAW_TIMEOUT):
                    await puller.withdraw()
        await asyncio.gather(*(self._give_back(delivery) for _, delivery in held))

    async def close(self) -> None:
        """Stops pulling and gives back what nobody took."""
        await self.release()
        for puller in self._pullers:
            await puller.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GIVE_BACK_TIMEOUT)

    def _begin(self) -> None:
        self._waiting = self._keeping = True
        self._stop_lingering()
        if not self._registered:
            self._bus.on_reconnect(self._reconnected)
            self._registered = True

    def _take(self) -> JetStreamDelivery:
        best = min(range(len(self._held)), key=lambda index: self._held[index][0])
        return self._held.pop(best)[1]

    async def _look(self) -> None:
        """Asks the consumers in order, then waits for one of them; returns when something may have arrived."""
        self._wake.clear()
        for puller in self._pullers:
            await puller.ask_now()
            if self._held:
                return
        stands = [await puller.stand() for puller in self._pullers]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT if all(stands) else RETRY_AFTER_STATUS):
                await self._wake.wait()

    def _arrived(self, priority: int, settled: Settled, message: Msg) -> None:
        delivery = JetStreamDelivery(self._bus, message, self._ack_wait, self._signs, settled)
        if self._keeping:
            self._held.append((priority, delivery))
            self._wake.set()
        else:
            self._run(self._give_back(delivery))

    def _wake_up(self) -> None:
        self._wake.set()

    def _leave(self) -> None:
        self._keeping = False
        self._run(self._release_unless_waiting())

    async def _release_unless_waiting(self) -> None:
        if not self._waiting:
            await self.release()

    def _reconnected(self) -> None:
        self._wake.set()
        self._run(self._forget())

    async def _forget(self) -> None:
        for puller in self._pullers:
            await puller.forget()
        self._wake.set()

    def _stop_lingering(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give_back(self, delivery: JetStreamDelivery) -> None:
        # It comes back after ack_wait at the latest, so a failure here only costs time.
        with contextlib.suppress(BusUnavailable):
            await delivery.nak(0)
