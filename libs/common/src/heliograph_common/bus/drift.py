"""How far the streams and consumers that there are differ from ``contracts.streams``, without changing them."""

from __future__ import annotations

from typing import Any, cast

from nats.js import JetStreamContext

from heliograph_common.bus.api import answered
from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.settings import NatsSettings


async def drift(bus: Bus, settings: NatsSettings) -> list[str]:
    """What ``provision`` would do now, in its own words; empty when all is as it should be.

    Raises:
        BusUnavailable: NATS is away, does not answer, or refuses.
    """
    with answered(bus, "streams and consumers"):
        return await provision(cast("JetStreamContext", _Unchanged(bus.jetstream)), settings)


async def correct(bus: Bus, settings: NatsSettings) -> list[str]:
    """``provision`` for running services; returns what it did.

    Raises:
        BusUnavailable: as above.
    """
    with answered(bus, "streams and consumers"):
        return await provision(bus.jetstream, settings)


class _Unchanged:
    """The part of JetStream's API that ``provision`` uses: it tells what there is, and changes nothing."""

    def __init__(self, jetstream: JetStreamContext) -> None:
        self.stream_info = jetstream.stream_info
        self.consumer_info = jetstream.consumer_info

    async def add_stream(self, _: Any) -> None:
        """Nothing is made."""

    async def update_stream(self, _: Any) -> None:
        """Nothing is changed."""

    async def add_consumer(self, _stream: str, _: Any) -> None:
        """Nothing is made or changed."""
