"""What a worker needs: of whoever hands it messages, and of whoever knows what to do with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.body import Command
from heliograph_common.errors import HeliographError

if TYPE_CHECKING:
    from heliograph_common.messaging.job import Job
    from heliograph_common.messaging.transaction import Transaction

_Claim = TypeVar("_Claim")


class Delivery(Protocol):
    """One delivery of a message: of JetStream, or made of a row of work while NATS is away."""

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
        """How often it was delivered, this time included; for logs and metrics."""

    def hold(self, seconds: float) -> None:
        """Keeps it from being delivered to someone else for ``seconds``, or until it is released or settled."""

    def release(self) -> None:
        """Ends ``hold``."""

    async def ack(self) -> None:
        """It is done."""

    async def nak(self, delay: float) -> None:
        """Deliver it again after ``delay`` seconds."""

    async def term(self, reason: str) -> None:
        """Never deliver it again."""


class Source(Protocol):
    """Hands out deliveries, one at a time."""

    async def next(self) -> Delivery:
        """The next delivery; waits as long as there is none. It can be cancelled without a delivery being lost."""

    async def release(self) -> None:
        """Gives back what is held without a slot to work on it."""

    async def close(self) -> None:
        """Hands out nothing more."""


class Handler(Protocol[_Claim]):
    """What a service does with its commands. An attempt is begun by ``claim`` and ended by ``Job.conclude``."""

    @property
    def consumer(self) -> str:
        """The name under which the inbox remembers messages."""

    @property
    def command(self) -> type[Command]:
        """What it takes."""

    async def adopt(self, connection: AsyncConnection, command: Command) -> bool:
        """Whether the work is unfinished though it has no row: it was asked for by a service of an older version."""

    async def claim(self, job: Job, transaction: Transaction) -> _Claim | None:
        """Takes the target for the attempt ``job.fence``, in the transaction that begins it; ``None``: nothing is to do."""

    async def handle(self, job: Job, claim: _Claim) -> None:
        """Does it, and ends with ``job.conclude()``."""

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        """Records in ``transaction`` that the work will not be done, and tells whom it concerns.

        Raises:
            Stale: a newer attempt owns the target; nothing is recorded.
        """
