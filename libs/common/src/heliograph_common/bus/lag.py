"""How far work consumers are behind. The gateway tells it at ``/v1/queue``; scaling goes by it.

A message on a delayed ``nak`` counts for the server as delivered and not acknowledged, like one that is being worked on:
``unacked`` is both together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nats.js.errors import NotFoundError

from heliograph_common.bus.api import answered, is_no_message
from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.streams import ConsumerSpec


@dataclass(frozen=True)
class Lag:
    """Messages of one consumer: ``waiting`` for their first delivery, ``unacked`` after it (being worked on or returned
    with a delay), ``redelivered`` of them more than once; ``oldest``: when the oldest of all was published (UTC)."""

    durable: str
    subject: str
    waiting: int
    unacked: int
    redelivered: int
    oldest: datetime | None


async def lags(bus: Bus, consumers: Sequence[ConsumerSpec]) -> list[Lag]:
    """The lag of each consumer, in their order.

    Raises:
        BusUnavailable: NATS does not tell, or a consumer does not exist.
    """
    return list(await asyncio.gather(*(_lag(bus, spec) for spec in consumers)))


async def _lag(bus: Bus, spec: ConsumerSpec) -> Lag:
    with answered(bus, spec.durable):
        info = await bus.jetstream.consumer_info(spec.stream, spec.durable)
    return Lag(
        durable=spec.durable,
        subject=spec.filter_subject,
        waiting=info.num_pending or 0,
        unacked=info.num_ack_pending or 0,
        redelivered=info.num_redelivered or 0,
        oldest=await _oldest(bus, spec),
    )


async def _oldest(bus: Bus, spec: ConsumerSpec) -> datetime | None:
    """When the first message was published that is still there: a work queue keeps a message until it is acknowledged."""
    with answered(bus, spec.stream):
        try:
            found = await bus.jetstream.get_msg(spec.stream, seq=1, subject=spec.filter_subject, next=True)
        except NotFoundError as error:
            if not is_no_message(error):
                raise
            return None
    return found.time
