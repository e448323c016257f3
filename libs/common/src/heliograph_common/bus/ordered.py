"""An ordered, gap-free reader of a stream that keeps no state on the server. The notifier reads EVENTS with it.

It drives a raw push consumer (no acks, memory storage, flow control, idle heartbeats) and makes a new one after the last
message seen whenever the old one is in doubt: a jump in the consumer's sequence, two heartbeats missed, a reconnect, a
restarted server, a deleted consumer. nats-py's own ordered consumer is not used: it notices none of the last three at
once, and never that the stream itself was replaced. What the reader cannot make good, it tells as a ``Discontinuity``:
also messages that were removed from the stream while it was reading, which show as a jump in the stream's sequence where
the reader takes all of its subjects. A reader of some of them cannot tell a removed message from one of another subject.

A single consumer's protocol is in ``ordered_feed``. It leaves out what messages mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog
from nats.errors import Error as NatsError
from nats.js.api import StreamInfo

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.ordered_feed import Feed, StreamedMessage
from heliograph_common.bus.work_progress import epoch_of
from heliograph_common.errors import BusUnavailable

__all__ = ["Discontinuity", "OrderedReader", "StreamState", "StreamedMessage"]

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 1.0
_MAX_DELAY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class StreamState:
    """``epoch`` names this incarnation of the stream (its creation time in microseconds, hexadecimal). An empty stream
    has ``first_seq == last_seq + 1``."""

    epoch: str
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """Messages are missing here and cannot be had: the stream was ``replaced`` by another of its name, ``rewound`` (its
    server came back without messages that it had delivered), messages had ``expired`` before they were read (by age, or
    for want of room), or some were ``deleted`` from its midst. Reading goes on at ``next_seq`` of ``epoch``."""

    reason: Literal["replaced", "rewound", "expired", "deleted"]
    epoch: str
    next_seq: int


class OrderedReader:
    """Iterates the messages of ``subjects`` in ``stream`` in order, each once, for ever.

    Args:
        start_seq: the first stream sequence to read; ``None`` reads what is published from the first connection on.
        heartbeat: seconds between the server's signs of life; the reader starts again after 2.5 of them are missing.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        subjects: Sequence[str],
        *,
        start_seq: int | None = None,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._subjects = tuple(subjects)
        self._start_seq = start_seq
        self._heartbeat = heartbeat
        self._takes_all = False  # until the stream tells its subjects
        self._feeds: weakref.WeakSet[Feed] = weakref.WeakSet()
        bus.on_reconnect(self._interrupt)

    def __aiter__(self) -> AsyncIterator[StreamedMessage | Discontinuity]:
        return self.read_from(self._start_seq)

    async def stream_state(self) -> StreamState:
        """The stream's incarnation and bounds now.

        Raises:
            BusUnavailable: NATS does not answer, or has no such stream.
        """
        return _state_of(await self._info())

    async def read_from(
        self, start_seq: int | None, *, epoch: str | None = None
    ) -> AsyncGenerator[StreamedMessage | Discontinuity, None]:
        """Reads for ever from ``start_seq`` (``None``: what is new). With ``epoch`` the stream must be of that
        incarnation, and the first item says so if it is not. Close the iterator when leaving it early."""
        position = _Position(epoch, start_seq or 0)
        async with contextlib.aclosing(self._read(position, bounded=False)) as items:
            async for item in items:
                yield item

    async def read_range(
        self, from_seq: int, to_seq: int, *, epoch: str
    ) -> AsyncGenerator[StreamedMessage | Discontinuity, None]:
        """Reads what the stream still holds from ``from_seq`` to ``to_seq``, both included and both already stored, and
        ends; it ends after a ``Discontinuity`` too. Waits while NATS is away."""
        if from_seq > to_seq:
            return
        position = _Position(epoch, from_seq)
        async with contextlib.aclosing(self._read(position, bounded=True)) as items:
            async for item in items:
                if isinstance(item, StreamedMessage) and item.seq > to_seq:
                    return
                yield item
                if isinstance(item, Discontinuity) or item.seq == to_seq:
                    return
                if item.pending == 0:
                    break
        if self._takes_all:  # the last ones of the range were removed
            yield Discontinuity("deleted", epoch, to_seq + 1)

    async def _read(
        self, position: _Position, *, bounded: bool
    ) -> AsyncGenerator[StreamedMessage | Discontinuity, None]:
        delay = 0.05
        while True:
            try:
                feed, state = await self._open(position)
            except BusUnavailable as error:
                log.warning("stream read failed, retrying", stream=self._stream, error=str(error), delay=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _MAX_DELAY_SECONDS)
                continue
            try:
                broken = position.reconcile(state)
                if broken is not None:
                    yield broken
                    continue
                if bounded and feed.pending == 0:
                    return
                while (message := await feed.next_message()) is not None:
                    delay = 0.05
                    if self._takes_all and message.seq > position.next_seq:
                        hole = await self._hole(position, message.seq)
                        if hole is None:
                            break
                        yield hole
                    position.next_seq = message.seq + 1
                    yield message
            finally:
                await feed.close()

    async def _hole(self, position: _Position, found: int) -> Discontinuity | None:
        """What became of the messages from the position to ``found``; ``None`` when it cannot be told now, or when the
        stream is another by now: to be read again from the position."""
        try:
            state = await self.stream_state()
        except BusUnavailable:
            return None
        if state.epoch != position.epoch:
            return None
        return Discontinuity("expired" if state.first_seq > position.next_seq else "deleted", state.epoch, found)

    async def _info(self) -> StreamInfo:
        if not self._bus.connected:
            raise BusUnavailable("NATS is not connected")
        try:
            info = await self._bus.jetstream.stream_info(self._stream)
        except (TimeoutError, OSError, NatsError) as error:
            raise BusUnavailable(f"cannot read the state of stream {self._stream}: {error!r}") from error
        self._takes_all = set(self._subjects) >= set(info.config.subjects or ())
        return info

    async def _open(self, position: _Position) -> tuple[Feed, StreamState]:
        await self._bus.wait_connected()
        if not position.next_seq:
            state = await self.stream_state()
            position.epoch, position.next_seq = state.epoch, state.last_seq + 1
        feed = Feed(self._bus, self._stream, self._heartbeat)
        self._feeds.add(feed)
        try:
            await feed.open(self._subjects, position.next_seq)
            # Read after the consumer was made: a stream replaced before that shows here, one replaced later takes the
            # consumer with it.
            state = await self.stream_state()
        except BaseException as error:
            await feed.close()
            if isinstance(error, (TimeoutError, OSError, NatsError)):
                raise BusUnavailable(f"cannot make a consumer on {self._stream}: {error!r}") from error
            raise
        return feed, state

    def _interrupt(self) -> None:
        for feed in list(self._feeds):
            feed.interrupt()


def _state_of(info: StreamInfo) -> StreamState:
    last = info.state.last_seq
    return StreamState(epoch_of(info), info.state.first_seq if info.state.messages else last + 1, last)


@dataclass(slots=True)
class _Position:
    """Where reading goes on (0: with what is new), and in which incarnation of the stream (``None``: any)."""

    epoch: str | None
    next_seq: int

    def reconcile(self, state: StreamState) -> Discontinuity | None:
        """Compares with what the stream holds; after a break the position is the one that the break tells."""
        reason: Literal["replaced", "rewound", "expired"]
        if self.epoch not in {None, state.epoch}:
            reason, next_seq = "replaced", state.last_seq + 1
        elif self.next_seq > state.last_seq + 1:
            reason, next_seq = "rewound", state.last_seq + 1
        elif self.next_seq < state.first_seq:
            reason, next_seq = "expired", state.first_seq
        else:
            self.epoch = state.epoch
            return None
        self.epoch, self.next_seq = state.epoch, next_seq
        return Discontinuity(reason, state.epoch, next_seq)
