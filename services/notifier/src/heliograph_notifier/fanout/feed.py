"""Reads EVENTS into the hub: one ordered reader a process, one span an event."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from heliograph_common.bus.ordered import Discontinuity, OrderedReader, StreamedMessage
from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID
from heliograph_common.errors import BusUnavailable, MalformedMessage
from heliograph_common.telemetry import metrics, spans
from heliograph_notifier.fanout.client import Client
from heliograph_notifier.fanout.hub import Hub
from heliograph_notifier.fanout.replay import RESET_REASONS
from heliograph_notifier.protocol.frames import OF_IMPORTS, OF_WORDS, Event, encode_event
from heliograph_notifier.protocol.vocabulary import ResetReason

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 0.5
_CONSUMER = "notifier"
_CLIENTS = "heliograph.clients"


class Feed:
    """A component. It begins ``warm`` messages before the end of the stream, so that clients who come back after a
    roll-over find what they missed in memory; the hub is ``started`` when what was the end then is reached."""

    name = "feed"

    def __init__(
        self, hub: Hub, reader: OrderedReader, *, warm: int, tell_reset: Callable[[Client, ResetReason], None]
    ) -> None:
        self._hub = hub
        self._reader = reader
        self._warm = warm
        self._tell_reset = tell_reset
        self._task: asyncio.Task[None] | None = None
        self.pending = 0

    async def start(self) -> None:
        """Begins to read, in the background, also when NATS is away."""
        self._task = asyncio.create_task(self._run(), name="feed")

    async def died(self) -> None:
        """Raises what ended the reading, which goes on for ever by itself."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self, deadline: float) -> None:
        """Stops reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(deadline):
                    await self._task

    async def _run(self) -> None:
        epoch, start = await self._begin()
        async with contextlib.aclosing(self._reader.read_from(start, epoch=epoch)) as items:
            async for item in items:
                if isinstance(item, Discontinuity):
                    self._break(item)
                else:
                    self._take(item)

    async def _begin(self) -> tuple[str, int]:
        while True:
            try:
                state = await self._reader.stream_state()
            except BusUnavailable as error:
                log.warning("event stream not readable", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            start = max(state.first_seq, state.last_seq + 1 - self._warm)
            self._hub.begin(state.epoch, start - 1)
            if start > state.last_seq:
                self._hub.started.set()
            return state.epoch, start

    def _break(self, item: Discontinuity) -> None:
        log.warning("event stream discontinuous", reason=item.reason, next_seq=item.next_seq)
        clients = list(self._hub.live())
        for client in clients:
            self._hub.leave(client)
        reason = RESET_REASONS[item.reason]
        self._hub.begin(item.epoch, item.next_seq - 1, after=reason)
        for client in clients:
            self._tell_reset(client, reason)

    def _take(self, message: StreamedMessage) -> None:
        self.pending = message.pending
        try:
            event = encode_event(message, self._hub.epoch)
        except MalformedMessage as error:
            log.warning("unreadable event skipped", seq=message.seq, error=str(error))
            self._hub.skip(message.seq)
        else:
            clients = self._hub.admit(event)
            if clients:
                self._send(event, message, clients)
        if message.pending == 0:
            self._hub.started.set()

    def _send(self, event: Event, message: StreamedMessage, clients: list[Client]) -> None:
        message_id = message.headers.get(HEADER_MESSAGE_ID, "")
        with spans.process_span(
            message.subject, consumer=_CONSUMER, message_id=message_id, headers=message.headers, deliveries=1
        ) as span:
            span.set_attribute(_CLIENTS, len(clients))
            span.set_attribute(_about(event), event.subject)
            for client in clients:
                client.offer(event)
            if event.accepted_at is not None:
                latency = (datetime.now(UTC) - event.accepted_at).total_seconds()
                metrics.observe(metrics.stage_latency.labels(stage="socket"), max(latency, 0.0))


def _about(event: Event) -> str:
    """The attribute of a span that names what the event is about."""
    if event.type.startswith(OF_WORDS):
        return spans.WORD_ID
    return spans.IMPORT_ID if event.type.startswith(OF_IMPORTS) else spans.IMAGE_ID
