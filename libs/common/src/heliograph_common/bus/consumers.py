"""How one durable consumer stands, by its name: what scaling goes by. The consumer's leader answers, over the connection
that is logged in already; the servers' monitoring endpoints would tell what a follower knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nats.js.errors import APIError

from heliograph_common.bus.api import answered
from heliograph_common.bus.connection import Bus
from heliograph_common.errors import BusUnavailable

_NO_CONSUMER = 10014
_NO_STREAM = 10059

_MOST = 2**53
"""No consumer has more messages left to do."""


@dataclass(frozen=True)
class ConsumerState:
    """``pending``: messages that were never delivered; ``unacked``: delivered and neither acknowledged nor terminated, those
    that were returned with a delay included. ``paused``: nothing is delivered until an administrator resumes it. ``created``
    tells a consumer from the one that had its name before (UTC)."""

    pending: int
    unacked: int
    paused: bool
    created: datetime


async def consumer_state(bus: Bus, stream: str, durable: str, *, timeout_seconds: float) -> ConsumerState | None:
    """The consumer as it stands now; ``None`` where it or its stream does not exist.

    Raises:
        BusUnavailable: NATS does not tell within ``timeout_seconds``, or what cannot be.
    """
    with answered(bus, durable):
        try:
            info = await bus.jetstream.consumer_info(stream, durable, timeout=timeout_seconds)
        except APIError as error:
            if error.err_code in {_NO_CONSUMER, _NO_STREAM}:
                return None
            raise
    if info.num_pending is None or info.num_ack_pending is None:
        raise BusUnavailable(f"the server did not report what consumer {durable} has left to do")
    for figure in (info.num_pending, info.num_ack_pending):
        if type(figure) is not int or not 0 <= figure <= _MOST:
            raise BusUnavailable(f"the server says that consumer {durable} has {figure} messages, which cannot be")
    return ConsumerState(info.num_pending, info.num_ack_pending, bool(info.paused), info.created)
