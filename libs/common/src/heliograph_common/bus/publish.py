"""Publishing with an acknowledgement. The stream's name of every subject is fixed, so a missing stream is an error here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nats.errors import Error as NatsError
from nats.js.errors import APIError, NoStreamResponseError

from heliograph_common.bus.connection import Bus
from heliograph_common.errors import BusUnavailable, StreamFull

_FULL = {
    10023,  # insufficient resources
    10047,  # insufficient storage resources available
    10077,  # maximum messages or bytes exceeded
}


@dataclass(frozen=True)
class Published:
    """Where a message was stored; ``duplicate``: it had been before."""

    stream: str
    seq: int
    duplicate: bool


async def publish(bus: Bus, subject: str, payload: bytes, headers: Mapping[str, str]) -> Published:
    """Publishes one message and returns once its stream has stored it. A repeated ``Nats-Msg-Id`` counts as stored.

    Raises:
        StreamFull: the stream or its disk is full.
        BusUnavailable: NATS is away, did not acknowledge within 5 s, or has no stream for the subject.
    """
    if not bus.connected:
        raise BusUnavailable("NATS is not connected")
    try:
        stored = await bus.jetstream.publish(subject, payload, headers=dict(headers))
    except NoStreamResponseError as error:
        raise BusUnavailable(f"no stream takes {subject}; run heliograph_common.provision") from error
    except APIError as error:
        kind = StreamFull if error.err_code in _FULL else BusUnavailable
        raise kind(f"{subject}: {error.description}") from error
    except (TimeoutError, NatsError) as error:
        raise BusUnavailable(f"{subject}: {error!r}") from error
    return Published(stored.stream, stored.seq, bool(stored.duplicate))
