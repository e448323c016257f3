"""Signs of life (``+WPI``) for deliveries in hand, from a thread with an event loop and a connection of its own: a picture
that holds the service's loop must not make its delivery look abandoned. Each hold has an end, because a sign of life that
is sent for ever is a way never to end.

The server takes a sign of life from any connection of the account, by the delivery's reply subject.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass

import structlog
from nats.errors import Error as NatsError

from heliograph_common.bus.connection import Bus
from heliograph_common.errors import BusUnavailable
from heliograph_common.settings import NatsSettings

log = structlog.get_logger(__name__)

_LOOK_EVERY = 0.5
_STOP_SECONDS = 8.0  # longer than closing its connection may take
_SIGN = b"+WPI"


@dataclass
class _Hold:
    """``due`` and ``until`` on the monotonic clock; ``every`` in seconds."""

    every: float
    until: float
    due: float


class LifeSigns:
    """A component. ``hold`` and ``release`` may be called from any thread, and before ``start`` or while NATS is away."""

    name = "life-signs"

    def __init__(self, settings: NatsSettings, *, client_name: str) -> None:
        self._settings = settings
        self._client_name = f"{client_name}-life-signs"
        self._lock = threading.Lock()
        self._holds: dict[str, _Hold] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # the thread's
        self._changed = asyncio.Event()  # set in the thread's loop
        self._ended = asyncio.Event()  # set in the loop that called start
        self._failure: BaseException | None = None
        self._stopping = False

    def hold(self, reply: str, *, every: float, until: float) -> None:
        """Sends a sign of life to ``reply`` each ``every`` seconds until ``release``, or until ``time.monotonic()`` is
        ``until``. Holding again changes both."""
        with self._lock:
            self._holds[reply] = _Hold(every, until, time.monotonic() + every)
        self._wake()

    def release(self, reply: str) -> None:
        """Sends no more signs of life to ``reply``; nothing happens when it is not held."""
        with self._lock:
            self._holds.pop(reply, None)

    async def start(self) -> None:
        """Starts the thread; it connects by itself."""
        owner = asyncio.get_running_loop()
        threading.Thread(target=self._run, args=(owner,), name=self.name, daemon=True).start()

    async def stop(self, deadline_seconds: float) -> None:
        """Ends the thread. It has nothing to lose: where a lookup of a name keeps it, it is left behind, and ends with the
        process."""
        self._stopping = True
        self._wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(deadline_seconds, _STOP_SECONDS)):
                await self._ended.wait()

    async def died(self) -> None:
        """Waits while the thread lives, then raises what ended it; never after ``stop``."""
        await self._ended.wait()
        if self._stopping:
            await asyncio.Event().wait()
        raise BusUnavailable("the message heartbeat has stopped") from self._failure

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(self._changed.set)

    def _run(self, owner: asyncio.AbstractEventLoop) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:
            log.exception("message heartbeat failed")
            self._failure = error
        finally:
            with contextlib.suppress(RuntimeError):  # the owner's loop is closed
                owner.call_soon_threadsafe(self._ended.set)

    async def _live(self) -> None:
        bus = Bus(self._settings, client_name=self._client_name)
        self._loop = asyncio.get_running_loop()
        await bus.start()
        death = asyncio.create_task(bus.died())
        try:
            while not self._stopping:
                if death.done():
                    death.result()
                self._changed.clear()
                pause = min(await self._send_due(bus), _LOOK_EVERY)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._changed.wait()
        finally:
            death.cancel()
            await bus.stop(1)

    async def _send_due(self, bus: Bus) -> float:
        """Sends what is due; returns the seconds until something else is."""
        now = time.monotonic()
        with self._lock:
            for reply in [reply for reply, hold in self._holds.items() if hold.until <= now]:
                log.warning("message held for too long, redelivery expected", reply=reply)
                del self._holds[reply]
            if not bus.connected:  # what is due stays so, and is sent as soon as it can be
                return _LOOK_EVERY
            due = [reply for reply, hold in self._holds.items() if hold.due <= now]
            for reply in due:
                self._holds[reply].due = now + self._holds[reply].every
            pause = min((hold.due - now for hold in self._holds.values()), default=_LOOK_EVERY)
        for reply in due:
            with contextlib.suppress(NatsError, OSError):  # the next one may get through; the fence covers the rest
                await bus.client.publish(reply, _SIGN)
        return pause
