"""Whatever is taken ends: through deliveries without end, servers that lie, messages that nobody can read, handlers that
hang or fail where they must not."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import select, text
from tests.integration.common.messaging.worker_harness import ACK_WAIT, Recorder, WorkerHarness, settled
from tests.polling import until

from heliograph_common.bus.publish import publish
from heliograph_common.contracts.envelope import encode, envelope
from heliograph_common.contracts.messages import DeadLetter, RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import work
from heliograph_common.db.message_models import OutboxRow
from heliograph_common.errors import BlobsUnavailable, HeliographError, Permanent, Temporary
from heliograph_common.ids import new_id
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.transaction import Transaction

SUBJECT = "work.render.normal"


async def _published(harness: WorkerHarness) -> None:
    async with asyncio.timeout(10):
        while True:
            async with harness.database.transaction() as connection:
                if (await connection.execute(select(OutboxRow.id))).first() is None:
                    return
            await asyncio.sleep(0.05)


async def test_how_often_it_was_delivered_is_not_how_often_it_was_tried(harness: WorkerHarness) -> None:
    """Busy workers used to give messages back, and after 20 deliveries a picture was given up untried."""
    (target,) = await harness.send()
    await _published(harness)
    pull = await harness.bus.jetstream.pull_subscribe(SUBJECT, "thumbnailer-normal", stream="WORK")
    for _ in range(30):
        (message,) = await pull.fetch(1, timeout=5)
        await message.nak()
    await pull.unsubscribe()
    handler = Recorder()
    async with harness.worker(handler):
        await until(lambda: handler.concluded == [target])
        await settled(harness)
    assert handler.given_up == []


async def test_an_object_that_reads_like_an_outage_is_given_up(harness: WorkerHarness) -> None:
    """The store says that it is there, the one object cannot be had: that is no outage."""

    async def behave(_: int) -> None:
        raise BlobsUnavailable("the object store failed on originals/1")

    async def available() -> None:
        return

    handler = Recorder(behave)
    (target,) = await harness.send()
    async with harness.worker(handler, available=available, max_temporary_failures=2):
        await until(lambda: bool(handler.given_up), 60)
        await settled(harness)
    assert handler.given_up[0][0] == target
    assert "although all servers are available" in handler.given_up[0][1]
    assert await harness.unfinished() == []


async def test_a_handler_that_hangs_is_ended(harness: WorkerHarness) -> None:
    handler = Recorder(lambda _: asyncio.sleep(3600))  # longer than the test
    await harness.send()
    async with harness.worker(handler, hold_seconds=0.5, max_temporary_failures=2):
        await until(lambda: bool(handler.given_up), 30)
        await settled(harness)
    assert len(handler.started) == 2
    assert "took longer than 0.5 s" in handler.given_up[0][1]


async def test_an_outage_longer_than_the_hold_gives_the_work_back_at_no_cost(harness: WorkerHarness) -> None:
    away = True

    async def check() -> None:
        if away:
            raise BlobsUnavailable("S3 is away")

    async def behave(_: int) -> None:
        await check()

    handler = Recorder(behave)
    (target,) = await harness.send()
    async with harness.worker(handler, available=check, hold_seconds=1.0, max_unfinished_attempts=2):
        for _ in range(3):  # as many beginnings as would be too many
            before = len(handler.started)
            await until(lambda before=before: len(handler.started) > before, 30)  # type: ignore[misc]
        away = False
        await until(lambda: handler.concluded == [target], 30)
    assert handler.given_up == []
    assert set(handler.failures) == {0}


async def test_attempts_that_never_end_are_counted(harness: WorkerHarness) -> None:
    """As when a worker dies of the picture, each time."""
    (target,) = await harness.send()
    for _ in range(3):
        async with harness.database.transaction() as connection:
            hold = timedelta(seconds=-1)
            assert await work.begin(connection, "render", target, message_id=new_id(), by="dead", hold=hold)
    handler = Recorder()
    async with harness.worker(handler, max_unfinished_attempts=3):
        await until(lambda: bool(handler.given_up))
        await settled(harness)
    assert handler.started == []
    assert "not finished after 3 attempts" in handler.given_up[0][1]


def _newer() -> bytes:
    return encode(msgspec.structs.replace(envelope(RenderImage(image_id=new_id()), owner="ann"), version=99))


def _bodiless() -> bytes:
    return encode(msgspec.structs.replace(envelope(RenderImage(image_id=new_id()), owner="ann"), data={}))


def _of_another_type() -> bytes:
    return encode(msgspec.structs.replace(envelope(RenderImage(image_id=new_id()), owner="ann"), type="render.film"))


@pytest.mark.parametrize(
    "payload",
    [b"{not json", b"\x00\xff" * 100, b"", _newer(), _bodiless(), _of_another_type(), b'"' + b"\x00" * 900_000 + b'"'],
    ids=["not json", "binary", "empty", "newer", "without a body", "of another type", "large"],
)
async def test_what_cannot_be_read_is_buried_once(harness: WorkerHarness, payload: bytes) -> None:
    handler = Recorder()
    await publish(harness.bus, SUBJECT, payload, {"Nats-Msg-Id": str(new_id())})
    good = await harness.send()
    async with harness.worker(handler):
        await until(lambda: handler.concluded == good)
        await settled(harness)
        await _published(harness)
    assert (await harness.bus.jetstream.stream_info("DEAD")).state.messages == 1
    assert handler.given_up == []


class Forgetful(Recorder):
    """Cannot record that it gave up."""

    def __init__(self, *, even_plainly: bool) -> None:
        super().__init__(self._fail)
        self.even_plainly = even_plainly
        self.tries = 0

    async def _fail(self, _: int) -> None:
        raise Permanent("a reason that no row can hold")

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        self.tries += 1
        if self.even_plainly or "no row" in str(failure):
            await transaction.connection.execute(text("SELECT 1/0"))
        await super().give_up(job, failure, transaction)


@pytest.mark.parametrize("even_plainly", [False, True])
async def test_a_failure_that_cannot_be_recorded_is_buried_all_the_same(
    harness: WorkerHarness, even_plainly: bool
) -> None:
    handler = Forgetful(even_plainly=even_plainly)
    await harness.send()
    async with harness.worker(handler):
        await until(lambda: handler.tries == 2)
        await settled(harness)
        await _published(harness)
    letter = await harness.dead()
    assert letter.reason == "a reason that no row can hold"
    assert len(handler.given_up) == (0 if even_plainly else 1)
    assert await harness.unfinished() == []


class Unclaimable(Recorder):
    """Fails while an attempt begins."""

    async def claim(self, job: Job, transaction: Transaction) -> UUID | None:
        self.started.append(job.command.target)
        raise RuntimeError("a bug")


async def test_a_beginning_that_fails_does_not_go_on_for_ever(harness: WorkerHarness) -> None:
    handler = Unclaimable()
    await harness.send()
    async with harness.worker(handler):
        await until(lambda: bool(handler.given_up))
        await settled(harness)
    assert len(handler.started) == 3
    assert await harness.unfinished() == []


async def test_a_second_command_finds_the_work_in_hand(harness: WorkerHarness) -> None:
    release = asyncio.Event()

    async def behave(_: int) -> None:
        await release.wait()

    handler = Recorder(behave)
    (target,) = await harness.send()
    async with harness.worker(handler, slots=2):
        await until(lambda: bool(handler.started))
        message = envelope(RenderImage(image_id=target), owner="ann")
        await publish(harness.bus, SUBJECT, encode(message), {"Nats-Msg-Id": str(message.id)})
        async with asyncio.timeout(10):
            while await harness.waiting() != (0, 1):  # it is acknowledged: the first is in hand
                await asyncio.sleep(0.05)
        release.set()
        await until(lambda: bool(handler.concluded))
        await settled(harness)
    assert handler.started == [target]


async def test_work_that_is_asked_for_while_it_is_in_hand_is_done_once_more(harness: WorkerHarness) -> None:
    release = asyncio.Event()

    async def behave(_: int) -> None:
        await release.wait()

    handler = Recorder(behave)
    (target,) = await harness.send()
    async with harness.worker(handler):
        await until(lambda: bool(handler.started))
        for _ in range(3):
            async with harness.messenger.transaction() as transaction:
                await transaction.request(SUBJECT, RenderImage(image_id=target), owner="ann")
            assert transaction.messages == []
        release.set()
        await until(lambda: handler.concluded == [target, target])
        await settled(harness)
    assert await harness.unfinished() == []


async def test_a_later_delivery_takes_over_and_the_earlier_cannot_write(harness: WorkerHarness) -> None:
    """The first worker's loop stands still for longer than ``ack_wait`` and then for its signs of life."""
    first, second = Recorder(lambda _: asyncio.sleep(2.5 * ACK_WAIT)), Recorder()  # the server counts in real time
    (target,) = await harness.send()
    async with harness.worker(first, hold_seconds=60) as frozen:
        await until(lambda: bool(first.started))
        async with harness.database.transaction() as connection:  # as if its message had come to another
            row = await work.find(connection, "render", target)
            assert row is not None
            hold = timedelta(seconds=30)
            taken = await work.begin(
                connection, "render", target, message_id=row.lease_message, by="other", hold=hold, fence=None
            )
            assert taken is not None
            assert taken.fence > row.fence
        await until(lambda: frozen.load.busy == 0, 30)
    assert first.concluded == []
    assert await harness.unfinished() == [target]
    assert second.started == []


async def test_fast_failures_make_a_worker_pause(harness: WorkerHarness) -> None:
    """A node that is broken must not take all attempts from pictures that others could render."""

    async def behave(_: int) -> None:
        raise Temporary("no memory", delay=30)

    handler = Recorder(behave)
    await harness.send(Priority.LOW, 60)
    async with harness.worker(handler, max_temporary_failures=8) as worker:
        await until(lambda: len(handler.started) >= 20)
        await asyncio.sleep(0.5)  # time to take more, which would be wrong
        with pytest.raises(HeliographError, match="too many failures"):
            await worker.ready()
    assert len(handler.started) <= 22
    assert handler.given_up == []


def test_letters_fit_into_messages() -> None:
    letter = DeadLetter(
        service="s", subject=SUBJECT, headers={}, payload="\x00" * 131_072, reason="", error="", deliveries=1,
        died_at=envelope(RenderImage(image_id=new_id()), owner="ann").occurred_at,
    )  # fmt: skip
    assert len(encode(envelope(letter, owner=""))) < 1_000_000
