"""Events and clients without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from heliograph_common.bus.ordered import Discontinuity, StreamedMessage, StreamState
from heliograph_common.clock import utc_now
from heliograph_common.contracts.envelope import encode, envelope
from heliograph_common.contracts.import_messages import ImportCounts, ImportStarted
from heliograph_common.contracts.messages import ImageReady, Stages
from heliograph_common.contracts.word_messages import WordImageStored
from heliograph_common.ids import new_id
from heliograph_notifier.fanout.client import Client, QueueLimits
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.protocol.cursor import Cursor
from heliograph_notifier.protocol.frames import Event, encode_event

EPOCH = "5f"


def message(seq: int, owner: str = "ann", *, name: str = "a.jpg", **headers: str) -> StreamedMessage:
    """An ``image.ready`` message."""
    body = ImageReady(image_id=new_id(), name=name, progress=100, stages=Stages(), accepted_at=utc_now())
    payload = encode(envelope(body, owner=owner))
    return StreamedMessage(seq, "events.image.ready", headers, payload, utc_now(), 0)


def event(seq: int, owner: str = "ann", *, name: str = "a.jpg") -> Event:
    return encode_event(message(seq, owner, name=name), EPOCH)


def import_event(seq: int, owner: str = "ann") -> Event:
    """An ``import.started`` event."""
    body = ImportStarted(
        import_id=new_id(), source="dropbox", name="", status="running", progress=0, counts=ImportCounts(), revision=2
    )
    payload = encode(envelope(body, owner=owner))
    return encode_event(StreamedMessage(seq, "events.import.started", {}, payload, utc_now(), 0), EPOCH)


def word_event(seq: int, owner: str = "words", *, word_id: str = "Gull-1") -> Event:
    """A ``word.image_stored`` event, which names an image too."""
    body = WordImageStored(word_id=word_id, text="gull", language="en", revision=2, image_id=new_id())
    payload = encode(envelope(body, owner=owner))
    return encode_event(StreamedMessage(seq, "events.word.image_stored", {}, payload, utc_now(), 0), EPOCH)


class FakeClient(Client):
    """Keeps what it is sent; ``open`` says whether its transport takes more."""

    transport = "fake"

    def __init__(self, owner: str | None = "ann", *, limits: QueueLimits | None = None) -> None:
        super().__init__(limits or QueueLimits(1024 * 1024, 500))
        self.owner = owner
        self.open = True
        self.written: list[bytes] = []
        self.got: list[int] = []
        self.code: CloseCode | None = None
        self.told: list[tuple[str, Any]] = []

    def encode(self, event: Event) -> bytes:
        self.got.append(event.seq)
        return event.frame

    def write(self, data: bytes) -> bool:
        if self.open:
            self.written.append(data)
        return self.open

    def shut(self, code: CloseCode, reason: str) -> None:
        self.code = code

    def tell_reset(self, reason: str, cursor: Cursor) -> None:
        self.told.append((reason, cursor))

    def tell_ready(self, cursor: Cursor) -> None:
        self.told.append(("ready", cursor))

    def tell_draining(self, milliseconds: int) -> None:
        self.told.append(("draining", milliseconds))


class FakeHistory:
    """A stream in a list. ``pause`` lets other tasks run between messages."""

    def __init__(self, messages: list[StreamedMessage], *, first_seq: int = 1, pause: bool = False) -> None:
        self.messages = messages
        self.first_seq = first_seq
        self.pause = pause
        self.reads = 0

    async def stream_state(self) -> StreamState:
        last = self.messages[-1].seq if self.messages else 0
        return StreamState(EPOCH, self.first_seq, last)

    async def read_range(
        self, from_seq: int, to_seq: int, *, epoch: str
    ) -> AsyncGenerator[StreamedMessage | Discontinuity, None]:
        self.reads += 1
        if from_seq < self.first_seq:
            yield Discontinuity("expired", epoch, self.first_seq)
            return
        for item in list(self.messages):
            if from_seq <= item.seq <= to_seq:
                if self.pause:
                    await asyncio.sleep(0)
                yield item
