"""Workers over real NATS and PostgreSQL: each message takes effect once, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import pytest
from nats.js.errors import Error as JetStreamError
from sqlalchemy import func, select

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.publish import publish
from heliograph_common.bus.pull import PullSource
from heliograph_common.contracts import subjects
from heliograph_common.contracts.envelope import body_of, decode
from heliograph_common.contracts.messages import DeadLetter, RenderImage
from heliograph_common.contracts.streams import THUMBNAILER
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.engine import Database
from heliograph_common.db.models import InboxRow
from heliograph_common.errors import BadImage, BlobsUnavailable, HeliographError, Permanent, Stale, Temporary
from heliograph_common.ids import new_id
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_common.messaging.worker import Job, Worker, WorkerSettings

ACK_WAIT = 2.0  # as the bus fixture provisions the consumers

Behaviour = Callable[[int], Awaitable[None]]
"""What the handler does on its n-th call (from 1) before it concludes."""


class Recorder:
    """A handler that does what it is told and remembers."""

    consumer = "recorder"

    def __init__(self, behave: Behaviour | None = None) -> None:
        self.started: list[UUID] = []
        self.concluded: list[UUID] = []
        self.given_up: list[tuple[UUID, str]] = []
        self.deliveries: list[int] = []
        self._behave = behave

    async def handle(self, job: Job) -> None:
        image_id = body_of(job.envelope, RenderImage).image_id
        self.started.append(image_id)
        self.deliveries.append(job.deliveries)
        if self._behave is not None:
            await self._behave(len(self.started))
        async with job.conclude():
            self.concluded.append(image_id)

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        self.given_up.append((body_of(job.envelope, RenderImage).image_id, str(failure)))


class Desk:
    """Sends commands and runs workers."""

    def __init__(self, bus: Bus, database: Database, messenger: Messenger) -> None:
        self.bus = bus
        self.database = database
        self.messenger = messenger

    async def send(self, priority: Priority = Priority.NORMAL, count: int = 1) -> list[UUID]:
        ids = [new_id() for _ in range(count)]
        async with self.messenger.transaction() as transaction:
            for image_id in ids:
                transaction.command(subjects.render(priority), RenderImage(image_id=image_id), owner="ann")
        return ids

    @asynccontextmanager
    async def worker(
        self,
        handler: Recorder,
        *,
        slots: int = 1,
        available: Callable[[], Awaitable[None]] | None = None,
        stop_within: float = 5.0,
    ) -> AsyncIterator[Worker]:
        worker = Worker(
            "recorder",
            PullSource(
                self.bus,
                THUMBNAILER,
                ack_wait=ACK_WAIT,
                signs=LifeSigns(self.bus.settings, client_name="test"),
            ),
            handler,
            self.messenger,
            WorkerSettings(slots=slots, max_attempts=3, retry_delay=0.05),
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

    async def dead(self) -> DeadLetter:
        message = await self.bus.jetstream.get_last_msg("DEAD", "dead.recorder")
        assert message.data is not None
        return body_of(decode(message.data), DeadLetter)


@pytest.fixture
async def desk(bus: Bus, db: Database) -> AsyncIterator[Desk]:
    relay = Relay(db, partial(publish, bus), lambda: bus.connected)
    await relay.start()
    yield Desk(bus, db, Messenger(db, relay))
    await relay.stop(2)


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def settled(desk: Desk) -> None:
    async with asyncio.timeout(20):
        while await desk.waiting() != (0, 0):
            await asyncio.sleep(0.05)


async def test_each_message_takes_effect_once(desk: Desk) -> None:
    handler = Recorder()
    ids = await desk.send(count=50)
    async with desk.worker(handler, slots=4):
        await until(lambda: len(handler.concluded) == 50)
        await settled(desk)
    assert sorted(handler.concluded) == sorted(ids)
    assert await desk.inbox() == 50


async def test_a_message_published_twice_takes_effect_once(desk: Desk) -> None:
    handler = Recorder()
    async with desk.messenger.transaction() as transaction:
        transaction.command(subjects.render(Priority.NORMAL), RenderImage(image_id=new_id()), owner="ann")
    message = transaction.messages[0]
    # Another Nats-Msg-Id: as after a restart of the server, which forgets the ids of acknowledged messages.
    await publish(desk.bus, message.subject, message.payload, message.headers | {"Nats-Msg-Id": "another"})
    async with desk.worker(handler):
        await until(lambda: bool(handler.concluded))
        await settled(desk)
    assert len(handler.started) == 1


async def test_temporary_failures_are_tried_again(desk: Desk) -> None:
    async def behave(call: int) -> None:
        if call < 3:
            raise Temporary("not yet", delay=0.05)

    handler = Recorder(behave)
    await desk.send()
    async with desk.worker(handler):
        await until(lambda: bool(handler.concluded))
        await settled(desk)
    assert handler.deliveries == [1, 2, 3]
    assert handler.given_up == []


@pytest.mark.parametrize(
    ("failure", "tries"),
    [
        (Temporary("never", delay=0.01), 3),
        (RuntimeError("a bug"), 3),
        (Permanent("no such thing"), 1),
        (BadImage("torn"), 1),
    ],
)
async def test_what_cannot_be_done_is_kept_with_its_reason(desk: Desk, failure: Exception, tries: int) -> None:
    async def behave(_: int) -> None:
        raise failure

    handler = Recorder(behave)
    (image_id,) = await desk.send()
    async with desk.worker(handler):
        await until(lambda: bool(handler.given_up))
        await settled(desk)
    assert len(handler.started) == tries
    assert handler.given_up[0][0] == image_id
    async with asyncio.timeout(5):
        while True:
            try:
                letter = await desk.dead()
                break
            except JetStreamError:  # not there yet
                await asyncio.sleep(0.05)
    assert str(failure) in letter.reason
    assert str(image_id) in letter.payload
    assert letter.subject == "work.render.normal"
    assert letter.deliveries == tries
    assert "Nats-Msg-Id" in letter.headers


async def test_a_malformed_message_is_kept_and_does_not_block(desk: Desk) -> None:
    handler = Recorder()
    await publish(desk.bus, "work.render.normal", b"{not json", {})
    await desk.send()
    async with desk.worker(handler):
        await until(lambda: bool(handler.concluded))
        await settled(desk)
    assert handler.given_up == []


async def test_an_outage_costs_no_attempts(desk: Desk) -> None:
    away = True
    checks = 0

    async def behave(_: int) -> None:
        if away:
            raise BlobsUnavailable("S3 is away")

    async def available() -> None:
        nonlocal checks
        checks += 1
        if away:
            raise BlobsUnavailable("S3 is away")

    handler = Recorder(behave)
    await desk.send()
    async with desk.worker(handler, available=available):
        await until(lambda: checks >= 3)
        assert await desk.waiting() == (0, 1)
        away = False
        await until(lambda: bool(handler.concluded))
        await settled(desk)
    assert set(handler.deliveries) == {1}
    assert handler.given_up == []


async def test_work_longer_than_ack_wait_is_not_delivered_again(desk: Desk) -> None:
    handler = Recorder(lambda _: asyncio.sleep(3 * ACK_WAIT))
    await desk.send()
    async with desk.worker(handler, slots=2):
        await until(lambda: bool(handler.concluded), 30)
        await settled(desk)
    assert len(handler.started) == 1


async def test_a_stale_attempt_is_not_acknowledged(desk: Desk) -> None:
    async def behave(call: int) -> None:
        if call == 1:
            raise Stale("someone else has it")

    handler = Recorder(behave)
    await desk.send()
    async with desk.worker(handler):
        await until(lambda: bool(handler.concluded))
    assert handler.deliveries == [1, 2]


async def test_high_priority_overtakes_a_flood_of_low(desk: Desk) -> None:
    order: list[UUID] = []
    handler = Recorder(lambda _: asyncio.sleep(0.02))
    low = await desk.send(Priority.LOW, 100)
    async with desk.worker(handler):
        await until(lambda: len(handler.concluded) >= 5)
        (high,) = await desk.send(Priority.HIGH)
        before = len(handler.started)
        await until(lambda: high in handler.started)
        order = handler.started
    # The job in hand, and one more that may have been taken while the command was on its way.
    assert order.index(high) <= before + 2
    assert set(order) <= {*low, high}


async def test_two_workers_share_and_surplus_goes_back(desk: Desk) -> None:
    slow = Recorder(lambda _: asyncio.sleep(0.5))
    fast = Recorder()
    async with desk.worker(slow), desk.worker(fast):
        await asyncio.sleep(0.3)  # both are idle and have pulls standing at all three consumers
        for priority in Priority:
            await desk.send(priority, 4)
        await until(lambda: len(slow.concluded) + len(fast.concluded) == 12)
        await settled(desk)
    assert len(fast.concluded) > len(slow.concluded)
    assert len(set(slow.concluded) | set(fast.concluded)) == 12


async def test_stopping_gives_back_what_is_not_finished(desk: Desk) -> None:
    stuck = Recorder(lambda _: asyncio.sleep(60))
    (image_id,) = await desk.send()
    async with desk.worker(stuck, stop_within=0.1):
        await until(lambda: bool(stuck.started))
    finisher = Recorder()
    async with desk.worker(finisher):
        await until(lambda: finisher.concluded == [image_id], ACK_WAIT / 2)


async def test_a_worker_that_gives_up_on_everything_stops(desk: Desk) -> None:
    async def behave(_: int) -> None:
        raise Permanent("no permission")

    handler = Recorder(behave)
    await desk.send(count=60)
    async with desk.worker(handler) as worker:
        await until(lambda: worker.stopped is not None)
        await asyncio.sleep(0.3)
        left = await desk.waiting()
        with pytest.raises(HeliographError, match="given up"):
            await worker.ready()
    assert len(handler.given_up) == 20
    assert sum(left) == 40
