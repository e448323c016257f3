"""An ordered, gap-free reader of a stream that keeps no state on the server. The notifier reads EVENTS with it.

It drives a raw push consumer (no acks, memory storage, flow control, idle heartbeats) and makes a new one after the last
message seen whenever the old one is in doubt: a jump in the consumer's sequence, two heartbeats missed, a reconnect, a
restarted server, a deleted consumer. nats-py's own ordered consumer is not used: it notices none of the last three at
once, and never that the stream itself was replaced. What the reader cannot make good, it tells as a ``Discontinuity``.

Protocol: NATS ADR-15 (ordered consumers), ADR-9 (idle heartbeats, flow control). It leaves out what messages mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from heliograph_common.bus.connection import Bus
from heliograph_common.errors import BusUnavailable
from heliograph_common.ids import new_id

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 1.0
_MISSED_HEARTBEATS = 2.5
_INACTIVE_SECONDS = 30.0
_CLEANUP_SECONDS = 1.0
_MAX_DELAY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class StreamedMessage:
    """One message. ``seq`` is its stream sequence; ``pending`` says how many more the stream held when it was sent."""

    seq: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes
    published_at: datetime
    pending: int


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
    server came back without messages that it had delivered), or messages had ``expired`` before they were read. Reading
    goes on at ``next_seq`` of ``epoch``."""

    reason: Literal["replaced", "rewound", "expired"]
    epoch: str
    next_seq: int


class OrderedReader:
    """Iterates the messages of ``subjects`` in ``stream`` in order, each once, for ever.

    Args:
        start_seq: the first stream sequence to read; ``None`` reads what is published from the first connection on.
        heartbeat: seconds between the server's signs of life; the reader starts anew after 2.5 of them are missing.
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
        self._feeds: weakref.WeakSet[_Feed] = weakref.WeakSet()
        bus.on_reconnect(self._interrupt)

    def __aiter__(self) -> AsyncIterator[StreamedMessage | Discontinuity]:
        return self.read_from(self._start_seq)

    async def stream_state(self) -> StreamState:
        """The stream's incarnation and bounds now.

        Raises:
            BusUnavailable: NATS does not answer, or has no such stream.
        """
        if not self._bus.connected:
            raise BusUnavailable("NATS is not connected")
        try:
            info = await self._bus.jetstream.stream_info(self._stream)
        except (TimeoutError, OSError, NatsError) as error:
            raise BusUnavailable(f"cannot read the state of stream {self._stream}: {error!r}") from error
        if info.created is None:
            raise BusUnavailable(f"the server does not tell when stream {self._stream} was created")
        epoch = f"{round(info.created.timestamp() * 1_000_000):x}"
        last = info.state.last_seq
        return StreamState(epoch, info.state.first_seq if info.state.messages else last + 1, last)

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
        async with contextlib.aclosing(self._read(_Position(epoch, from_seq), bounded=True)) as items:
            async for item in items:
                if isinstance(item, StreamedMessage) and item.seq > to_seq:
                    return
                yield item
                if isinstance(item, Discontinuity) or item.seq == to_seq or item.pending == 0:
                    return

    async def _read(
        self, position: _Position, *, bounded: bool
    ) -> AsyncGenerator[StreamedMessage | Discontinuity, None]:
        delay = 0.05
        while True:
            try:
                feed = await self._open(position)
            except BusUnavailable as error:
                log.warning("cannot read the stream, trying again", stream=self._stream, error=str(error), delay=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _MAX_DELAY_SECONDS)
                continue
            try:
                broken = position.reconcile(feed.state)
                if broken is not None:
                    yield broken
                    continue
                if bounded and feed.pending == 0:
                    return
                while (message := await feed.next_message()) is not None:
                    delay = 0.05
                    position.next_seq = message.seq + 1
                    yield message
            finally:
                await feed.close()

    async def _open(self, position: _Position) -> _Feed:
        await self._bus.wait_connected()
        if not position.next_seq:
            state = await self.stream_state()
            position.epoch, position.next_seq = state.epoch, state.last_seq + 1
        feed = _Feed(self._bus, self._stream, self._heartbeat)
        self._feeds.add(feed)
        try:
            await feed.open(self._subjects, position.next_seq)
            # Read after the consumer was made: a stream replaced before that shows here, one replaced later takes the
            # consumer with it.
            feed.state = await self.stream_state()
        except BaseException as error:
            await feed.close()
            if isinstance(error, (TimeoutError, OSError, NatsError)):
                raise BusUnavailable(f"cannot make a consumer on {self._stream}: {error!r}") from error
            raise
        return feed

    def _interrupt(self) -> None:
        for feed in list(self._feeds):
            feed.interrupt()


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


class _Feed:
    """One push consumer and its subscription, from a start to the first doubt."""

    def __init__(self, bus: Bus, stream: str, heartbeat: float) -> None:
        self._bus = bus
        self._stream = stream
        self._heartbeat = heartbeat
        self._name = f"ordered-{new_id().hex}"
        self._arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._stack = contextlib.AsyncExitStack()
        self._consumer_seq = 0
        self.pending: int | None = None
        self.state = StreamState("", 0, 0)

    async def open(self, subjects: Sequence[str], start_seq: int) -> None:
        inbox = self._bus.client.new_inbox()
        subscription = await self._bus.client.subscribe(inbox, cb=self._arrived.put)
        self._stack.push_async_callback(subscription.unsubscribe)
        config = ConsumerConfig(
            name=self._name,
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=max(start_seq, 1),
            ack_policy=AckPolicy.NONE,
            max_deliver=1,
            flow_control=True,
            idle_heartbeat=self._heartbeat,
            inactive_threshold=_INACTIVE_SECONDS,
            mem_storage=True,
            num_replicas=1,
        )
        if len(subjects) == 1:
            config.filter_subject = subjects[0]
        else:
            config.filter_subjects = list(subjects)
        self._stack.push_async_callback(self._delete)
        info = await self._bus.jetstream.add_consumer(self._stream, config)
        self.pending = info.num_pending

    async def next_message(self) -> StreamedMessage | None:
        """The next in order; ``None`` when the consumer can no longer be trusted."""
        while (msg := await self._next()) is not None:
            if msg.headers is not None and "Status" in msg.headers:
                if not await self._in_step(msg):
                    return None
                continue
            message, consumer_seq = _parse(msg)
            if consumer_seq != self._consumer_seq + 1:
                log.info("gap in an ordered consumer", stream=self._stream, expected=self._consumer_seq + 1)
                return None
            self._consumer_seq = consumer_seq
            return message
        return None

    def interrupt(self) -> None:
        """Ends the feed once what has arrived is read."""
        self._arrived.put_nowait(None)

    async def close(self) -> None:
        """Gives up subscription and consumer; a server that is away forgets the consumer by itself."""
        with contextlib.suppress(TimeoutError, OSError, NatsError):
            await self._stack.aclose()

    async def _next(self) -> Msg | None:
        if not self._arrived.empty():
            return self._arrived.get_nowait()
        try:
            async with asyncio.timeout(_MISSED_HEARTBEATS * self._heartbeat):
                return await self._arrived.get()
        except TimeoutError:
            log.info("no heartbeat of an ordered consumer", stream=self._stream)
            return None

    async def _in_step(self, msg: Msg) -> bool:
        """Answers flow control; whether a status message shows that nothing was missed."""
        headers = msg.headers or {}
        if headers["Status"] != "100":
            return False
        reply = msg.reply or headers.get("Nats-Consumer-Stalled")
        if reply:
            with contextlib.suppress(NatsError):
                await self._bus.client.publish(reply)
        return int(headers.get("Nats-Last-Consumer", self._consumer_seq)) == self._consumer_seq

    async def _delete(self) -> None:
        if self._bus.connected:
            with contextlib.suppress(TimeoutError, OSError, NatsError):
                request = f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}"
                await self._bus.client.request(request, timeout=_CLEANUP_SECONDS)


def _parse(msg: Msg) -> tuple[StreamedMessage, int]:
    """The message and its consumer sequence, from the reply subject: ``$JS.ACK.<stream>.<consumer>.<delivered>.<stream
    seq>.<consumer seq>.<ns>.<pending>``, on newer servers with domain and account hash after ``ACK`` (ADR-15)."""
    tokens = msg.reply.split(".")
    stream_seq, consumer_seq, nanoseconds, pending = tokens[5:9] if len(tokens) == 9 else tokens[7:11]
    published_at = datetime.fromtimestamp(int(nanoseconds) / 1e9, UTC)
    message = StreamedMessage(int(stream_seq), msg.subject, msg.headers or {}, msg.data, published_at, int(pending))
    return message, int(consumer_seq)
