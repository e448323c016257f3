"""One push consumer of the ordered reader and its subscription, from a start to the first doubt. ``ordered`` makes them,
one after the other, and knows where to go on.

Protocol: NATS ADR-15 (ordered consumers), ADR-9 (idle heartbeats, flow control).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from heliograph_common.bus.connection import Bus
from heliograph_common.ids import new_id

log = structlog.get_logger(__name__)

_MISSED_HEARTBEATS = 2.5
_INACTIVE_SECONDS = 30.0
_CLEANUP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StreamedMessage:
    """One message. ``seq`` is its stream sequence; ``pending`` says how many more the stream held when it was sent."""

    seq: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes
    published_at: datetime
    pending: int


class Feed:
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
                log.info("ordered consumer gap", stream=self._stream, expected=self._consumer_seq + 1)
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
            log.info("ordered consumer heartbeat missed", stream=self._stream)
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
