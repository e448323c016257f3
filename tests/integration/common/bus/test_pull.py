"""Pulling over a real server: nothing is delivered to workers that are busy, nothing that arrived is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.polling import until

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.delivery import JetStreamDelivery
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.provision import ensure
from heliograph_common.bus.publish import publish
from heliograph_common.bus.pull import PullSource
from heliograph_common.contracts import subjects
from heliograph_common.contracts.streams import THUMBNAILER
from heliograph_common.contracts.subjects import Priority
from heliograph_common.errors import BusUnavailable

ACK_WAIT = 2.0  # as the bus fixture provisions the consumers
POOL = 25


async def send(bus: Bus, priority: Priority, *texts: str) -> None:
    for text in texts:
        await publish(bus, subjects.render(priority), text.encode(), {})


def source_of(bus: Bus, ack_wait: float = ACK_WAIT) -> PullSource:
    return PullSource(bus, THUMBNAILER, ack_wait=ack_wait, signs=LifeSigns(bus.settings, client_name="test"))


@pytest.fixture
async def source(bus: Bus) -> AsyncIterator[PullSource]:
    source = source_of(bus)
    yield source
    await source.close()


async def take(source: PullSource, seconds: float = 20.0) -> JetStreamDelivery:
    async with asyncio.timeout(seconds):
        return await source.next()


async def deliveries_of(bus: Bus, priority: Priority) -> int:
    """How many deliveries of that priority the server has made; all of one message where only one was sent."""
    info = await bus.jetstream.consumer_info(subjects.WORK_STREAM, f"thumbnailer-{priority.value}")
    assert info.delivered is not None
    return int(info.delivered.consumer_seq)


async def waiting_pulls(bus: Bus) -> int:
    """Pulls that stand with the server and whose workers still listen."""
    infos = [await bus.jetstream.consumer_info(spec.stream, spec.durable) for spec in THUMBNAILER]
    return sum(info.num_waiting or 0 for info in infos)


async def test_a_busy_pool_leaves_what_waits_undelivered(bus: Bus) -> None:
    sources = [source_of(bus) for _ in range(POOL)]
    taking = [asyncio.create_task(source.next()) for source in sources]
    await asyncio.sleep(1)  # all have pulls waiting at all consumers
    await send(bus, Priority.NORMAL, *(f"n{number}" for number in range(POOL)))
    async with asyncio.timeout(20):
        normals = await asyncio.gather(*taking)
    await asyncio.gather(*(source.release() for source in sources))
    await asyncio.sleep(0.5)  # the server takes up pulls, and gives them up, without a word
    await send(bus, Priority.HIGH, "urgent")
    await asyncio.sleep(ACK_WAIT / 2)  # time for deliveries that would be wrong
    assert await deliveries_of(bus, Priority.HIGH) <= 1
    await normals[7].ack()
    urgent = await take(sources[7])
    assert urgent.payload == b"urgent"
    assert urgent.deliveries <= 2
    for delivery in [urgent, *normals[:7], *normals[8:]]:
        await delivery.ack()
    for source in sources:
        await source.close()


async def test_a_worker_that_does_not_ask_again_keeps_no_pulls(bus: Bus, source: PullSource) -> None:
    waiting = asyncio.create_task(source.next())
    await asyncio.sleep(0.5)  # the server takes up pulls, and gives them up, without a word
    assert await waiting_pulls(bus) == len(THUMBNAILER)
    await send(bus, Priority.NORMAL, "n")
    await (await waiting).ack()
    await asyncio.sleep(0.5)  # and nobody calls release
    await send(bus, Priority.HIGH, "h")
    await asyncio.sleep(0.3)  # the server takes up pulls, and gives them up, without a word
    assert await deliveries_of(bus, Priority.HIGH) == 0
    assert (await take(source)).payload == b"h"


async def test_pulls_stay_between_two_calls_that_follow_each_other(bus: Bus, source: PullSource) -> None:
    waiting = asyncio.create_task(source.next())
    await asyncio.sleep(0.3)  # the server takes up pulls, and gives them up, without a word
    for number in range(20):
        await send(bus, Priority.NORMAL, f"n{number}")
        delivery = await waiting
        waiting = asyncio.create_task(source.next())
        assert delivery.deliveries == 1
        await delivery.ack()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_what_arrives_while_pulls_are_withdrawn_is_given_back_at_once(bus: Bus) -> None:
    """Messages are sent while pulls are being taken back, many times; none may lie until its ack_wait is over."""
    source, rounds = source_of(bus), 150
    for number in range(rounds):
        waiting = asyncio.create_task(source.next())
        await asyncio.sleep(0.01)  # another moment each time
        sending = asyncio.create_task(send(bus, Priority.NORMAL, f"n{number}"))
        await asyncio.sleep(0.0003 * (number % 10))  # another moment each time
        waiting.cancel()
        [got] = await asyncio.gather(waiting, return_exceptions=True)
        await source.release()
        await sending
        if isinstance(got, BaseException):
            got = await take(source, ACK_WAIT / 2)
        assert got.payload == f"n{number}".encode()
        await got.ack()
    await source.close()
    assert len(bus.client._subs) < 10


async def test_cancelling_next_at_any_moment_loses_nothing(bus: Bus, source: PullSource) -> None:
    await send(bus, Priority.NORMAL, *(f"n{number}" for number in range(100)))
    got: list[bytes] = []
    cancelled = 0
    for number in range(3000):
        task = asyncio.create_task(source.next())
        await asyncio.sleep(0.0001 * (number % 20))  # another moment each time
        task.cancel()
        [result] = await asyncio.gather(task, return_exceptions=True)
        if isinstance(result, BaseException):
            assert isinstance(result, asyncio.CancelledError)
            cancelled += 1
        else:
            assert result.deliveries == 1
            got.append(result.payload)
            await result.ack()
        if len(got) == 100:
            break
    assert len(set(got)) == 100
    assert cancelled > 0


async def test_closing_while_a_message_is_on_its_way_gives_it_back_at_once(bus: Bus) -> None:
    other = source_of(bus)
    for number in range(60):
        source = source_of(bus)
        await send(bus, Priority.NORMAL, f"n{number}")
        waiting = asyncio.create_task(source.next())
        await asyncio.sleep(0.0002 * (number % 12))  # another moment each time
        waiting.cancel()
        [got] = await asyncio.gather(waiting, return_exceptions=True)
        await source.close()
        delivery = got if isinstance(got, JetStreamDelivery) else await take(other, ACK_WAIT / 2)
        assert delivery.payload == f"n{number}".encode()
        await delivery.ack()
    await other.close()


async def test_pulls_work_again_after_a_reconnect_and_leave_nothing_behind(bus: Bus, source: PullSource) -> None:
    for number in range(3):
        waiting = asyncio.create_task(source.next())
        await asyncio.sleep(0.3)  # the server takes up pulls, and gives them up, without a word
        await source.release() if number == 2 else None
        await bus.client.force_reconnect()
        await until(lambda: bus.connected)
        await send(bus, Priority.LOW, f"l{number}")
        async with asyncio.timeout(10):
            delivery = await waiting
        await delivery.ack()
    await source.close()
    await asyncio.sleep(0.3)  # the server takes up pulls, and gives them up, without a word
    assert len(bus.client._subs) < 5


async def test_a_missing_consumer_is_told_and_healed(bus: Bus, source: PullSource) -> None:
    waiting = asyncio.create_task(source.next())
    await asyncio.sleep(0.5)  # the server takes up pulls, and gives them up, without a word
    assert bus.down_for() == 0
    await bus.ready()
    await bus.jetstream.delete_consumer("WORK", "thumbnailer-normal")
    await until(lambda: bus.down_for() > 1)
    with pytest.raises(BusUnavailable, match="thumbnailer-normal"):
        await bus.ready()
    assert await ensure(bus) == ["created consumer thumbnailer-normal"]
    await send(bus, Priority.NORMAL, "n")
    async with asyncio.timeout(10):
        assert (await waiting).payload == b"n"
    assert bus.down_for() == 0
    await bus.ready()


async def test_a_missing_stream_is_told_and_healed(bus: Bus, source: PullSource) -> None:
    waiting = asyncio.create_task(source.next())
    await asyncio.sleep(0.5)  # the server takes up pulls, and gives them up, without a word
    await bus.jetstream.delete_stream("WORK")
    await until(lambda: bus.down_for() > 1)
    assert bus.connected
    await ensure(bus)
    await until(lambda: bus.down_for() == 0)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


async def test_an_idle_worker_works(bus: Bus, source: PullSource) -> None:
    """Heartbeats and "no messages" are good news."""
    waiting = asyncio.create_task(source.next())
    await asyncio.sleep(0.5)  # the server takes up pulls, and gives them up, without a word
    for priority in Priority:
        bus.health.failed(f"pull thumbnailer-{priority.value}", "the test says so")
    await until(lambda: bus.down_for() == 0)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
