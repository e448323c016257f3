"""A reader over a real NATS, and workers as services wire theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.components import started
from tests.integration.common.messaging.worker_harness import Recorder
from tests.polling import until

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.delivery import JetStreamDelivery
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.notices import say
from heliograph_common.bus.publish import publish
from heliograph_common.bus.pull import PullSource
from heliograph_common.bus.settled import Settled
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.streams import THUMBNAILER
from heliograph_common.contracts.subjects import WORK_STREAM, Priority
from heliograph_common.db.engine import Database
from heliograph_common.ids import new_id
from heliograph_common.messaging.worker import WorkerSettings
from heliograph_common.messaging.worker_reports import WorkerReports
from heliograph_common.messaging.workload import Workload
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_common.settings import ServiceSettings
from heliograph_common.testing.blobs import MemoryBlobs
from heliograph_operator.model import ScalerSpec, Signal, Target
from heliograph_operator.signal.reader import Reader, SignalLost

ACK_WAIT = 2.0
HIGH, NORMAL, LOW = (spec.durable for spec in THUMBNAILER)


def scaler(*consumers: str) -> ScalerSpec:
    """The scaler of the thumbnailers, or of some of their consumers."""
    return ScalerSpec(
        target=Target("Deployment", "thumbnailer"),
        stream=WORK_STREAM,
        consumers=consumers or (HIGH, NORMAL, LOW),
        min_replicas=0,
        max_replicas=10,
        drain_seconds=20.0,
        stabilization_seconds=90.0,
        utilization=0.8,
        slots=1,
        service_seconds=0.5,
        dry_run=False,
    )


async def send(bus: Bus, count: int, priority: Priority = Priority.NORMAL) -> None:
    """Publishes messages that nobody will read."""
    for number in range(count):
        await publish(bus, subjects.render(priority), f"{number}".encode(), {})


@dataclass
class Looking:
    """A reader, and the scaler that it looks for."""

    reader: Reader
    spec: ScalerSpec = field(default_factory=scaler)

    async def look(self) -> Signal:
        return await self.reader.look(self.spec)

    async def until(self, condition: Callable[[Signal], object], seconds: float = 20.0) -> Signal:
        """The first signal that meets ``condition``. Between two looks a message is under way now and then."""
        last: list[object] = ["no signal yet"]

        async def meets() -> Signal | None:
            try:
                signal = await self.look()
            except SignalLost as error:
                last[0] = error
                return None
            last[0] = signal
            return signal if condition(signal) else None

        try:
            found: Signal = await until(meets, seconds, every=0.1)
        except AssertionError as error:
            raise AssertionError(f"last: {last[0]}") from error
        return found


@asynccontextmanager
async def looking(bus: Bus, *, listening_seconds: float = 0.0) -> AsyncIterator[Looking]:
    reader = Reader(bus, listening_seconds=listening_seconds)
    async with started([reader]):
        found = Looking(reader)
        await found.until(lambda _: True)
        yield found


class ByHand:
    """A worker without a database: the test says what becomes of each message."""

    def __init__(self, bus: Bus) -> None:
        self._settled = {spec.durable: Settled() for spec in THUMBNAILER}
        self._signs = LifeSigns(bus.settings, client_name="test")
        self._source = PullSource(bus, THUMBNAILER, ack_wait=ACK_WAIT, signs=self._signs, settled=self._settled)
        self.reports = WorkerReports("thumbnailer", partial(say, bus))
        self.reports.add(Workload("thumbnailer", 4, lambda: True), self._settled)

    async def take(self, count: int) -> list[JetStreamDelivery]:
        taken = [await self._source.next() for _ in range(count)]
        await self._source.release()
        return taken

    async def close(self) -> None:
        await self._source.close()


@asynccontextmanager
async def by_hand(bus: Bus) -> AsyncIterator[ByHand]:
    worker = ByHand(bus)
    async with started([worker.reports]):
        yield worker
        await worker.close()


@asynccontextmanager
async def real_worker(
    settings: ServiceSettings,
    handler: Recorder,
    *,
    slots: int = 2,
    available: Sequence[Callable[[], Awaitable[None]]] = (),
    **fields: Any,
) -> AsyncIterator[Backbone]:
    """A worker with all its parts, as a service has it."""
    database = Database(settings.database, application="test")
    bus = Bus(settings.nats, client_name="worker")
    backbone = Backbone("recorder", settings, Health(), database=database, blobs=MemoryBlobs(), bus=bus)
    options = WorkerSettings(**({"slots": slots, "max_temporary_failures": 3} | fields))
    worker = backbone.worker(handler, options, patience=60.0, available=available)
    async with started([*backbone.components, *worker]):
        yield backbone


async def command(backbone: Backbone, count: int = 1) -> None:
    """Asks for work."""
    async with backbone.messenger.transaction() as transaction:
        for _ in range(count):
            await transaction.request(subjects.render(Priority.NORMAL), RenderImage(image_id=new_id()), owner="ann")
