"""What a worker needs of whoever hands it messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Delivery(Protocol):
    """One delivery of a message: of JetStream, or of an outbox row while NATS is away."""

    @property
    def subject(self) -> str:
        """The subject it was published to."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, trace context included."""

    @property
    def payload(self) -> bytes:
        """Its body."""

    @property
    def deliveries(self) -> int:
        """How often it was delivered, this time included."""

    @property
    def ack_wait(self) -> float:
        """Seconds after which it is delivered to someone else, unless ``in_progress`` is called before."""

    async def ack(self) -> None:
        """It is done."""

    async def nak(self, delay: float) -> None:
        """Deliver it again after ``delay`` seconds."""

    async def term(self, reason: str) -> None:
        """Never deliver it again."""

    async def in_progress(self) -> None:
        """It is being worked on: start ``ack_wait`` anew."""


class Source(Protocol):
    """Hands out deliveries, one at a time."""

    async def next(self) -> Delivery:
        """The next delivery; waits as long as there is none."""

    async def release(self) -> None:
        """Gives back what is held without a slot to work on it."""

    async def close(self) -> None:
        """Hands out nothing more."""
