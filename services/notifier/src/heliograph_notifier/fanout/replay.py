"""Brings a client from its cursor to the present: from the ring, before that from the stream, then hands it to the live
fan-out with no gap and no event twice. What cannot be made good becomes an explicit reset."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Protocol

from heliograph_common.bus.ordered import Discontinuity, StreamedMessage, StreamState
from heliograph_common.errors import BusUnavailable, MalformedMessage
from heliograph_common.telemetry import metrics
from heliograph_notifier.fanout.client import Client
from heliograph_notifier.fanout.hub import Hub
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.protocol.cursor import Cursor, parse_cursor
from heliograph_notifier.protocol.frames import Event, encode_event
from heliograph_notifier.protocol.vocabulary import ResetReason

RESET_REASONS: dict[str, ResetReason] = {
    "replaced": "other_epoch",
    "rewound": "rewound",
    "expired": "too_old",
    "deleted": "deleted",
}
"""What clients are told when the stream breaks off; beside them ``malformed`` and ``unknown`` cursors."""

_CHUNK = 200
_CHUNK_BYTES = 256 * 1024


class History(Protocol):
    """What the stream still holds; ``bus.ordered.OrderedReader`` is one."""

    async def stream_state(self) -> StreamState:
        """Bounds and incarnation of the stream."""

    def read_range(
        self, from_seq: int, to_seq: int, *, epoch: str
    ) -> AsyncGenerator[StreamedMessage | Discontinuity, None]:
        """The messages from one sequence to another, both included."""


class _Reset(Exception):
    """The events since the cursor are not to be had."""

    def __init__(self, reason: ResetReason) -> None:
        super().__init__(reason)
        self.reason: ResetReason = reason


class Replay:
    """Lets clients in. ``concurrent`` bounds the reads of the stream at one time, ``stall`` the seconds a client may take
    to read one chunk."""

    def __init__(self, hub: Hub, history: History, *, concurrent: int, stall: float) -> None:
        self._hub = hub
        self._history = history
        self._turns = asyncio.Semaphore(concurrent)
        self._stall = stall

    async def follow(self, client: Client, cursor: str | None) -> None:
        """Sends everything after ``cursor`` (``None``: from now on) and joins the client to the fan-out. A cursor that
        cannot be honoured becomes a reset to the present. Ends early when the client is closed."""
        if cursor is None:
            client.tell_ready(self._hub.cursor)
            self._join(client)
            return
        try:
            start = await self._check(cursor)
            client.tell_ready(start)
            await self._catch_up(client, start)
        except _Reset as reset:
            if not client.closed:
                self.reset(client, reset.reason)
        except BusUnavailable:
            client.close(CloseCode.HISTORY_UNAVAILABLE, "The events after the cursor cannot be read at the moment.")

    def reset(self, client: Client, reason: ResetReason) -> None:
        """Tells the client that it missed something, and goes on from the present."""
        metrics.socket_resets.labels(reason=reason).inc()
        client.tell_reset(reason, self._hub.cursor)
        if not client.closed:
            self._join(client)

    async def _check(self, text: str) -> Cursor:
        cursor = parse_cursor(text)
        if cursor is None:
            raise _Reset("malformed")
        if cursor.epoch != self._hub.epoch:
            raise _Reset("other_epoch")
        if self._hub.ring.floor <= cursor.seq <= self._hub.head:
            return cursor
        state = await self._history.stream_state()
        if cursor.epoch != state.epoch:
            raise _Reset("other_epoch")
        if cursor.seq > state.last_seq:
            raise _Reset("unknown")
        if cursor.seq + 1 < state.first_seq:
            raise _Reset("too_old")
        return cursor

    async def _catch_up(self, client: Client, start: Cursor) -> None:
        position = start.seq
        generation = self._hub.generation
        while not client.closed:
            if self._hub.generation != generation:
                raise _Reset(self._hub.broken_by)
            if position < self._hub.ring.floor:
                position, wanted = await self._from_stream(client, position, start.epoch)
                for event in wanted:
                    client.offer(event)
                await self._breathe(client)
                continue
            events = self._hub.ring.after(position, _CHUNK)
            if not events:
                # Nothing is awaited between this look at the ring and the joining: there is no gap to fall into.
                client.position = position
                self._hub.join(client)
                return
            for event in events:
                if client.half_full():
                    break
                position = event.seq
                if client.wants(event):
                    client.offer(event)
            await self._breathe(client)

    async def _from_stream(self, client: Client, position: int, epoch: str) -> tuple[int, list[Event]]:
        """Reads what the stream has between ``position`` and the ring, until there is a chunk that the client wants;
        returns it and the position reached. A client that reads slowly holds no turn while it does."""
        wanted: list[Event] = []
        size = 0
        floor = self._hub.ring.floor
        async with (
            self._turns,
            contextlib.aclosing(self._history.read_range(position + 1, floor, epoch=epoch)) as messages,
        ):
            async for message in messages:
                if isinstance(message, Discontinuity):
                    raise _Reset(RESET_REASONS[message.reason])
                with contextlib.suppress(MalformedMessage):
                    event = encode_event(message, epoch)
                    if client.wants(event):
                        wanted.append(event)
                        size += event.size
                if client.closed or len(wanted) >= _CHUNK or size >= _CHUNK_BYTES:
                    return message.seq, wanted
        return floor, wanted

    async def _breathe(self, client: Client) -> None:
        try:
            async with asyncio.timeout(self._stall):
                await client.emptied()
        except TimeoutError:
            client.close(CloseCode.SLOW, f"The client read nothing for {self._stall:g} seconds.")
        await asyncio.sleep(0)

    def _join(self, client: Client) -> None:
        client.position = self._hub.head
        self._hub.join(client)
