"""A harness for tests of workers: sends commands and runs workers, over real NATS and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.polling import until

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.pull import PullSource
from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.envelope import body_of, decode
from heliograph_common.contracts.messages import DeadLetter, RenderImage
from heliograph_common.contracts.streams import THUMBNAILER
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.engine import Database
from heliograph_common.db.message_models import InboxRow
from heliograph_common.db.work_models import Work
from heliograph_common.errors import HeliographError
from heliograph_common.ids import new_id
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_common.messaging.worker import Worker, WorkerSettings

ACK_WAIT = 2.0  # as the bus fixture provisions the consumers

Behaviour = Callable[[int], Awaitable[None]]
"""What the handler does on its n-th call (from 1) before it concludes."""


class Recorder:
    """A handler that does what it is told and remembers."""

    consumer = "recorder"
    command = RenderImage

    def __init__(self, behave: Behaviour | None = None) -> None:
        self.started: list[UUID] = []
        self.concluded: list[UUID] = []
        self.given_up: list[tuple[UUID, str]] = []
        self.failures: list[int] = []
        self._behave = behave

    async def adopt(self, connection: AsyncConnection, command: Command) -> bool:
        return False

    async def claim(self, job: Job, transaction: Transaction) -> UUID | None:
        return job.command.target

    async def handle(self, job: Job, claim: UUID) -> None:
        image_id = claim
        self.started.append(image_id)
        self.failures.append(job.failures)
        if self._behave is not None:
            await self._behave(len(self.started))
        async with job.conclude():
            self.concluded.append(image_id)

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        self.given_up.append((job.command.target, str(failure)))


class WorkerHarness:
    """Sends commands and runs workers."""

    def __init__(self, bus: Bus, database: Database, messenger: Messenger) -> None:
        self.bus = bus
        self.database = database
        self.messenger = messenger
        self.signs = LifeSigns(bus.settings, client_name="test")

    async def send(self, priority: Priority = Priority.NORMAL, count: int = 1) -> list[UUID]:
        ids = [new_id() for _ in range(count)]
        async with self.messenger.transaction() as transaction:
            for image_id in ids:
                await transaction.request(subjects.render(priority), RenderImage(image_id=image_id), owner="ann")
        return ids

    @asynccontextmanager
    async def worker(
        self,
        handler: Recorder,
        *,
        slots: int = 1,
        available: Callable[[], Awaitable[None]] | None = None,
        stop_within: float = 5.0,
        **settings: Any,
    ) -> AsyncIterator[Worker[UUID]]:
        worker = Worker(
            "recorder",
            PullSource(self.bus, THUMBNAILER, ack_wait=ACK_WAIT, signs=self.signs),
            handler,
            self.messenger,
            WorkerSettings(**({"slots": slots, "max_temporary_failures": 3, "retry_delay": 0.05} | settings)),
            available=(available,) if available else (),
        )
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop(stop_within)

    async def waiting(self) -> tuple[int, int]:
        """Messages not delivered, and delivered but not acknowledged, over all priorities."""
        infos = [await self.bus.jetstream.consumer_info("WORK", spec.durable) for spec in THUMBNAILER]
        return sum(info.num_pending or 0 for info in infos), sum(info.num_ack_pending or 0 for info in infos)

    async def inbox(self) -> int:
        async with self.database.transaction() as connection:
            return int((await connection.execute(select(func.count()).select_from(InboxRow))).scalar_one())

    async def unfinished(self) -> list[UUID]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(select(Work.target))).scalars())

    async def dead(self) -> DeadLetter:
        message = await self.bus.jetstream.get_last_msg("DEAD", "dead.recorder")
        assert message.data is not None
        return body_of(decode(message.data), DeadLetter)


async def settled(harness: WorkerHarness) -> None:
    async def idle() -> bool:
        return await harness.waiting() == (0, 0)

    await until(idle)
