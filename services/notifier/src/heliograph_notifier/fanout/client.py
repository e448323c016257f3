"""One client's bounded queue, without a word about how bytes reach it: ``websocket`` and ``sse`` say that.

What the transport takes at once never enters the queue. A client that lets its queue grow past its bounds is closed with
"slow, resume": its events wait in the stream, not in our memory.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass

from heliograph_common.telemetry import metrics
from heliograph_notifier.fanout.filters import EVERYTHING, Filter
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.protocol.cursor import Cursor
from heliograph_notifier.protocol.frames import Event
from heliograph_notifier.protocol.vocabulary import ResetReason

_BATCH_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What may wait for one client: bytes and frames."""

    bytes: int
    events: int


class Client(ABC):
    """What the hub sends to. ``owner`` is whose events it sees (``None``: everyone's), ``position`` the sequence up to
    which it has been sent what it wants, ``live`` whether the hub serves it (or a replay still does)."""

    transport = ""

    def __init__(self, limits: QueueLimits) -> None:
        self.owner: str | None = ""
        self.filter: Filter = EVERYTHING
        self.position = 0
        self.live = False
        self.closed = False
        self.queued_bytes = 0
        self._limits = limits
        self._queue: deque[bytes] = deque()
        self._emptied: asyncio.Future[None] | None = None

    @abstractmethod
    def encode(self, event: Event) -> bytes:
        """The event as this transport sends it."""

    @abstractmethod
    def write(self, data: bytes) -> bool:
        """Hands ``data`` to the transport if that takes more now; whether it did."""

    @abstractmethod
    def shut(self, code: CloseCode, reason: str) -> None:
        """Ends the connection; called once."""

    @abstractmethod
    def tell_reset(self, reason: ResetReason, cursor: Cursor) -> None:
        """Says that events before ``cursor`` are missing; closes the client where its protocol has no words for it."""

    @abstractmethod
    def tell_ready(self, cursor: Cursor) -> None:
        """Says that events after ``cursor`` follow."""

    @abstractmethod
    def tell_draining(self, milliseconds: int) -> None:
        """Says that the process ends, and when to come back."""

    def wants(self, event: Event) -> bool:
        """Whether ``event`` is this client's to see, asked for, and not sent before."""
        return (
            event.seq > self.position
            and (event.public or self.owner is None or self.owner == event.owner)
            and self.filter.passes(event)
        )

    def offer(self, event: Event) -> None:
        """Sends ``event``, which the client wants."""
        self.position = event.seq
        self.send(self.encode(event))

    def send(self, data: bytes) -> None:
        """Sends or queues ``data``; closes a client whose queue is full."""
        if self.closed or (not self._queue and self.write(data)):
            return
        self._queue.append(data)
        self.queued_bytes += len(data)
        if self.queued_bytes > self._limits.bytes or len(self._queue) > self._limits.events:
            self.close(
                CloseCode.SLOW,
                f"Limit exceeded: {self._limits.events} events or {self._limits.bytes} bytes waiting for the client.",
            )

    def flush(self) -> None:
        """Goes on sending what waits; called when the transport takes more."""
        while self._queue:
            batch = self._peek()
            if not self.write(b"".join(batch)):
                return
            self._drop(batch)

    def take(self) -> bytes:
        """Removes up to a batch of what waits, for transports that fetch."""
        batch = self._peek()
        self._drop(batch)
        return b"".join(batch)

    def half_full(self) -> bool:
        """Whether a replay should let the client catch its breath."""
        return self.queued_bytes * 2 > self._limits.bytes or len(self._queue) * 2 > self._limits.events

    async def emptied(self) -> None:
        """Returns once nothing waits, or the client is closed. One waiter at a time."""
        if self._queue and not self.closed:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    def close(self, code: CloseCode, reason: str) -> None:
        """Ends the client and forgets what waited for it. Safe to call again."""
        if not self.closed:
            self.forget()
            if code is CloseCode.SLOW:
                metrics.socket_drops.inc()
            self.shut(code, reason)

    def forget(self) -> None:
        """Drops what waits: the peer is gone or will be."""
        self.closed = True
        self._queue.clear()
        self.queued_bytes = 0
        self._wake_waiter()

    def _peek(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        for data in self._queue:
            batch.append(data)
            size += len(data)
            if size >= _BATCH_BYTES:
                break
        return batch

    def _drop(self, batch: list[bytes]) -> None:
        for _ in batch:
            self.queued_bytes -= len(self._queue.popleft())
        if not self._queue:
            self._wake_waiter()

    def _wake_waiter(self) -> None:
        if self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)
        self._emptied = None
