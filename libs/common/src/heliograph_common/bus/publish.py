"""Publishing with an acknowledgement. The stream's name of every subject is fixed, so a missing stream is an error here.

Whether the server or the message is at fault is told apart before anything is sent: nats-py 2.16 compares only the body
with ``max_payload``, the server counts the headers too, and it closes the connection on a message over it, or on a
subject that does not fit its control line; nats-py then gives up for good, and with it everything else on the connection.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from nats.errors import BadHeaderError, BadSubjectError, MaxPayloadError
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NoStreamResponseError

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.health import PUBLISH
from heliograph_common.contracts.streams import stream_for
from heliograph_common.errors import BusUnavailable, StreamFull, Unpublishable

_FULL = {
    10002,  # resource limits exceeded for account
    10023,  # insufficient resources
    10047,  # insufficient storage resources available
    10077,  # maximum messages or bytes exceeded
}
_NEVER = {
    10054,  # message size exceeds maximum allowed
    10097,  # header size exceeds maximum allowed of 64k
}
_LONGEST_SUBJECT = 1024  # bytes; the server's control line has 4096 for it, the reply subject and the sizes
_BAD_IN_SUBJECT = re.compile(r"[\x00-\x20\x7f*>]")
_NEWLINES = str.maketrans("\r\n", "  ")
_FAILURE_LASTS = 60.0
_TIMEOUT = 5.0


@dataclass(frozen=True)
class Published:
    """Where a message is stored; ``duplicate`` when its id was stored already, ``seq`` is the stored one's then."""

    stream: str
    seq: int
    duplicate: bool


async def publish(bus: Bus, subject: str, payload: bytes, headers: Mapping[str, str]) -> Published:
    """Publishes one message and returns once its stream has stored it. A repeated ``Nats-Msg-Id`` counts as stored.

    Raises:
        Unpublishable: no try can ever succeed: the message is too large, or its subject or a header is malformed.
        StreamFull: the stream or its disk is full.
        BusUnavailable: NATS is away, did not acknowledge within 5 s, or has no stream for the subject.
    """
    if not bus.connected:
        raise BusUnavailable("NATS is not connected")
    _check(subject, payload, headers, bus.client.max_payload)
    spec = stream_for(subject)
    kind = f"{PUBLISH} {spec.name if spec else subject}"
    try:
        ack = await _send(bus, subject, payload, headers)
    except BusUnavailable as error:
        bus.health.failed(kind, str(error), lasts=_FAILURE_LASTS)
        raise
    bus.health.succeeded(kind)
    return ack


async def _send(bus: Bus, subject: str, payload: bytes, headers: Mapping[str, str]) -> Published:
    try:
        async with asyncio.timeout(_TIMEOUT):
            ack = await bus.jetstream.publish(subject, payload, headers=dict(headers))
    except NoStreamResponseError as error:
        raise BusUnavailable(f"no stream takes {subject}; run heliograph_common.provision") from error
    except APIError as error:
        reason = f"{subject}: {error.description}"
        if error.err_code in _NEVER:
            raise Unpublishable(f"{reason}; send it in smaller parts or raise the stream's max_msg_size") from error
        raise (StreamFull if error.err_code in _FULL else BusUnavailable)(reason) from error
    except (BadSubjectError, BadHeaderError, MaxPayloadError) as error:
        raise Unpublishable(f"{subject!r}: {error}") from error
    except (TimeoutError, NatsError) as error:
        raise BusUnavailable(f"{subject}: {error!r}") from error
    return Published(ack.stream, ack.seq, bool(ack.duplicate))


def _check(subject: str, payload: bytes, headers: Mapping[str, str], max_payload: int) -> None:
    try:
        long = len(subject.encode()) > _LONGEST_SUBJECT
        size = len(payload) + headers_size(headers)
    except UnicodeEncodeError as error:
        raise Unpublishable(f"{subject!r}: its subject or a header is not Unicode text: {error}") from error
    if long or _BAD_IN_SUBJECT.search(subject) or not all(subject.split(".")):
        raise Unpublishable(f"{subject[:100]!r} is not a subject to publish to")
    if size > max_payload:
        raise Unpublishable(
            f"{subject}: {size} bytes with headers are more than the {max_payload} that the server takes (max_payload)"
        )


def headers_size(headers: Mapping[str, str]) -> int:
    """Bytes that nats-py makes of ``headers``: names and values stripped, line breaks in values made spaces."""
    lines = (
        len(name.strip().encode()) + len(b": ") + len(value.strip().translate(_NEWLINES).encode()) + len(b"\r\n")
        for name, value in headers.items()
        if name.strip()
    )
    return len(b"NATS/1.0\r\n") + sum(lines) + len(b"\r\n")
