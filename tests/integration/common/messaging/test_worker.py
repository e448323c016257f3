"""Workers over real NATS and PostgreSQL: each message takes effect once, whatever happens on the way."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from nats.js.errors import Error as JetStreamError
from tests.integration.common.messaging.worker_harness import ACK_WAIT, Recorder, WorkerHarness, settled
from tests.polling import until

from heliograph_common.bus.publish import publish
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.errors import BadImage, BlobsUnavailable, HeliographError, Permanent, Stale, Temporary
from heliograph_common.ids import new_id


async def test_each_message_takes_effect_once(harness: WorkerHarness) -> None:
    handler = Recorder()
    ids = await harness.send(count=50)
    async with harness.worker(handler, slots=4):
        await until(lambda: len(handler.concluded) == 50)
        await settled(harness)
    assert sorted(handler.concluded) == sorted(ids)
    assert await harness.inbox() == 50


async def test_a_message_published_twice_takes_effect_once(harness: WorkerHarness) -> None:
    handler = Recorder()
    async with harness.messenger.transaction() as transaction:
        await transaction.request(subjects.render(Priority.NORMAL), RenderImage(image_id=new_id()), owner="ann")
    message = transaction.messages[0]
    # Another Nats-Msg-Id: as after a restart of the server, which forgets the ids of acknowledged messages.
    await publish(harness.bus, message.subject, message.payload, message.headers | {"Nats-Msg-Id": "another"})
    async with harness.worker(handler):
        await until(lambda: bool(handler.concluded))
        await settled(harness)
    assert len(handler.started) == 1


async def test_temporary_failures_are_tried_again(harness: WorkerHarness) -> None:
    async def behave(call: int) -> None:
        if call < 3:
            raise Temporary("not yet", delay=0.05)

    handler = Recorder(behave)
    await harness.send()
    async with harness.worker(handler):
        await until(lambda: bool(handler.concluded))
        await settled(harness)
    assert handler.failures == [0, 1, 2]
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
async def test_what_cannot_be_done_is_kept_with_its_reason(
    harness: WorkerHarness, failure: Exception, tries: int
) -> None:
    async def behave(_: int) -> None:
        raise failure

    handler = Recorder(behave)
    (image_id,) = await harness.send()
    async with harness.worker(handler):
        await until(lambda: bool(handler.given_up))
        await settled(harness)
    assert len(handler.started) == tries
    assert handler.given_up[0][0] == image_id
    async with asyncio.timeout(5):
        while True:
            try:
                letter = await harness.dead()
                break
            except JetStreamError:  # not there yet
                await asyncio.sleep(0.05)
    assert str(failure) in letter.reason  # a bug's own words are for administrators alone
    assert ("a bug" in handler.given_up[0][1]) is False
    assert str(image_id) in letter.payload
    assert letter.subject == "work.render.normal"
    assert letter.deliveries == tries
    assert "Nats-Msg-Id" in letter.headers


async def test_a_malformed_message_is_kept_and_does_not_block(harness: WorkerHarness) -> None:
    handler = Recorder()
    await publish(harness.bus, "work.render.normal", b"{not json", {})
    await harness.send()
    async with harness.worker(handler):
        await until(lambda: bool(handler.concluded))
        await settled(harness)
    assert handler.given_up == []


async def test_an_outage_costs_no_attempts(harness: WorkerHarness) -> None:
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
    await harness.send()
    async with harness.worker(handler, available=available):
        await until(lambda: checks >= 3)
        assert await harness.waiting() == (0, 1)
        away = False
        await until(lambda: bool(handler.concluded))
        await settled(harness)
    assert set(handler.failures) == {0}
    assert await harness.unfinished() == []
    assert handler.given_up == []


async def test_work_longer_than_ack_wait_is_not_delivered_again(harness: WorkerHarness) -> None:
    handler = Recorder(lambda _: asyncio.sleep(3 * ACK_WAIT))  # the server counts in real time
    await harness.send()
    async with harness.worker(handler, slots=2):
        await until(lambda: bool(handler.concluded), 30)
        await settled(harness)
    assert len(handler.started) == 1


async def test_a_stale_attempt_is_not_acknowledged(harness: WorkerHarness) -> None:
    async def behave(call: int) -> None:
        if call == 1:
            raise Stale("someone else has it")

    handler = Recorder(behave)
    await harness.send()
    async with harness.worker(handler):
        await until(lambda: bool(handler.concluded))
    assert len(handler.started) == 2


async def test_high_priority_overtakes_a_flood_of_low(harness: WorkerHarness) -> None:
    order: list[UUID] = []
    handler = Recorder(lambda _: asyncio.sleep(0.02))  # work takes a while
    low = await harness.send(Priority.LOW, 100)
    async with harness.worker(handler):
        await until(lambda: len(handler.concluded) >= 5)
        (high,) = await harness.send(Priority.HIGH)
        before = len(handler.started)
        await until(lambda: high in handler.started)
        order = handler.started
    # The job in hand, and one more that may have been taken while the command was on its way.
    assert order.index(high) <= before + 2
    assert set(order) <= {*low, high}


async def test_two_workers_share_and_surplus_goes_back(harness: WorkerHarness) -> None:
    slow = Recorder(lambda _: asyncio.sleep(0.5))  # work takes a while
    fast = Recorder()
    async with harness.worker(slow), harness.worker(fast):
        await asyncio.sleep(0.3)  # both are idle and have pulls waiting at all three consumers
        for priority in Priority:
            await harness.send(priority, 4)
        await until(lambda: len(slow.concluded) + len(fast.concluded) == 12)
        await settled(harness)
    assert len(fast.concluded) > len(slow.concluded)
    assert len(set(slow.concluded) | set(fast.concluded)) == 12


async def test_stopping_gives_back_what_is_not_finished(harness: WorkerHarness) -> None:
    stuck = Recorder(lambda _: asyncio.sleep(60))  # longer than the test
    (image_id,) = await harness.send()
    async with harness.worker(stuck, stop_within=0.1):
        await until(lambda: bool(stuck.started))
    finisher = Recorder()
    async with harness.worker(finisher):
        await until(lambda: finisher.concluded == [image_id], ACK_WAIT / 2)


async def test_a_worker_that_gives_up_on_everything_pauses(harness: WorkerHarness) -> None:
    async def behave(_: int) -> None:
        raise Permanent("no permission")

    handler = Recorder(behave)
    await harness.send(count=60)
    async with harness.worker(handler) as worker:
        await until(lambda: len(handler.given_up) == 20)
        await asyncio.sleep(0.3)  # time to take more, which would be wrong
        left = await harness.waiting()
        with pytest.raises(HeliographError, match="too many failures"):
            await worker.ready()
    assert len(handler.given_up) == 20
    assert sum(left) == 40
