"""One event's bytes, made once and shared by all clients: CloudEvents 1.0 in structured JSON mode, and around it the
header of a WebSocket text frame (servers do not mask, so that a frame is the same for everyone) or an SSE block.

Sources: CloudEvents 1.0 with its distributed tracing extension, RFC 6455 section 5.2, WHATWG HTML section 9.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from heliograph_common.bus.ordered import StreamedMessage
from heliograph_common.clock import rfc3339
from heliograph_common.contracts.envelope import CONTENT_TYPE, Envelope, decode
from heliograph_common.contracts.messages import PUBLIC_EVENTS
from heliograph_notifier.protocol.cursor import Cursor

SOURCE = "/heliograph"
TYPE_PREFIX = "dev.heliograph."
OF_IMPORTS, OF_WORDS = "import.", "word."
"""How the types of events begin that are about imports, and about words."""
_SUBJECTS = ("word_id", "image_id", "import_id")  # events of words may name an image, too
_OVERHEAD_BYTES = 400  # of the objects beside the frame, measured with sys.getsizeof


class Event:
    """One event, ready to be sent. ``type`` is without the prefix (``image.ready``); ``subject`` the id of what it is
    about; ``accepted_at`` when the picture was accepted, where the event says so. ``public``: all clients may see it, not
    only ``owner``."""

    __slots__ = (
        "_cursor",
        "_forms",
        "_payload_at",
        "_sse",
        "accepted_at",
        "frame",
        "owner",
        "public",
        "seq",
        "size",
        "subject",
        "type",
    )

    def __init__(self, seq: int, message: Envelope, payload: bytes, cursor: str) -> None:
        self.seq = seq
        self.owner = message.owner
        self.type = message.type
        self.public = message.type in PUBLIC_EVENTS
        self.subject = _subject(message.data)
        self.accepted_at = _moment(message.data.get("accepted_at"))
        self.frame = text_frame(payload)
        self.size = len(self.frame) + _OVERHEAD_BYTES
        self._payload_at = len(self.frame) - len(payload)
        self._cursor = cursor
        self._sse: bytes | None = None
        self._forms: dict[Callable[[Event], bytes], bytes] | None = None

    @property
    def payload(self) -> bytes:
        """The CloudEvent as JSON."""
        return self.frame[self._payload_at :]

    @property
    def sse(self) -> bytes:
        """The event as an SSE block, made when first asked for."""
        if self._sse is None:
            self._sse = sse_block(self.payload, event=TYPE_PREFIX + self.type, cursor=self._cursor)
        return self._sse

    def form(self, make: Callable[[Event], bytes]) -> bytes:
        """What ``make`` makes of the event, made when first asked for and shared by all clients."""
        if self._forms is None:
            self._forms = {}
        if make not in self._forms:
            self._forms[make] = make(self)
        return self._forms[make]


def encode_event(message: StreamedMessage, epoch: str) -> Event:
    """The event in ``message``.

    Raises:
        MalformedMessage: it is no envelope.
    """
    envelope = decode(message.payload)
    cursor = str(Cursor(epoch, message.seq))
    return Event(message.seq, envelope, _cloud_event(envelope, cursor, message.headers), cursor)


def text_frame(payload: bytes) -> bytes:
    """``payload`` (UTF-8) as one unmasked, final text frame."""
    length = len(payload)
    if length < 126:
        header = bytes((0x81, length))
    elif length < 1 << 16:
        header = b"\x81\x7e" + length.to_bytes(2, "big")
    else:
        header = b"\x81\x7f" + length.to_bytes(8, "big")
    return header + payload


def sse_block(data: bytes, *, event: str, cursor: str = "") -> bytes:
    """One server-sent event; ``data`` must hold no line break, as JSON from msgspec does not."""
    identity = f"id: {cursor}\n" if cursor else ""
    return f"{identity}event: {event}\ndata: ".encode() + data + b"\n\n"


def sse_heartbeat(cursor: str) -> bytes:
    """A comment that keeps proxies awake. With ``cursor`` also an ``id`` without data: it moves the client's
    ``Last-Event-ID`` on without an event, so that a client whose events are rare keeps a cursor that is young."""
    return f": still here\nid: {cursor}\n\n".encode() if cursor else b": still here\n\n"


def _cloud_event(message: Envelope, cursor: str, headers: Mapping[str, str]) -> bytes:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(message.id),
        "source": SOURCE,
        "type": TYPE_PREFIX + message.type,
        "time": rfc3339(message.occurred_at),
        "datacontenttype": CONTENT_TYPE,
        "owner": message.owner,
        "cursor": cursor,
    }
    subject = _subject(message.data)
    if subject:
        event["subject"] = subject
    for name in ("traceparent", "tracestate"):
        if headers.get(name):
            event[name] = headers[name]
    event["data"] = message.data
    return msgspec.json.encode(event)


def _subject(data: Mapping[str, Any]) -> str:
    return next((str(data[key]) for key in _SUBJECTS if key in data), "")


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
