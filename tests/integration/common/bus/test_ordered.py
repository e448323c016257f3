"""The ordered reader over a real nats-server that is restarted, killed and stripped of its consumers and streams."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg
from tests.components import provisioned_bus
from tests.nats_server import NatsServer

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.ordered import Discontinuity, OrderedReader, StreamedMessage
from heliograph_common.bus.provision import provision
from heliograph_common.contracts import subjects
from heliograph_common.errors import BusUnavailable

SUBJECT = subjects.event("image.ready")
STREAM = subjects.EVENTS_STREAM


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[Bus]:
    async with provisioned_bus(server.settings) as bus:
        yield bus


async def publish(bus: Bus, *numbers: int) -> None:
    """Publishes each number once, through restarts: the message id makes a second attempt harmless."""
    for number in numbers:
        async with asyncio.timeout(20):
            while True:
                try:
                    await bus.jetstream.publish(
                        SUBJECT, str(number).encode(), timeout=1, headers={"Nats-Msg-Id": f"n{number}"}
                    )
                    break
                except (TimeoutError, nats.errors.Error):
                    await asyncio.sleep(0.1)


async def take(items: AsyncIterator[StreamedMessage | Discontinuity], count: int) -> list[int]:
    taken: list[int] = []
    async with asyncio.timeout(20):
        while len(taken) < count:
            item = await anext(items)
            assert isinstance(item, StreamedMessage), item
            taken.append(int(item.payload))
    return taken


@contextlib.asynccontextmanager
async def reading(reader: OrderedReader) -> AsyncIterator[AsyncIterator[StreamedMessage | Discontinuity]]:
    """The reader's iterator, with its consumer made: what is published from here on is new."""
    items = aiter(reader)
    first = asyncio.ensure_future(anext(items))
    await asyncio.sleep(0.5)  # the reader waits, and nothing comes

    async def rest() -> AsyncIterator[StreamedMessage | Discontinuity]:
        yield await first
        async for item in items:
            yield item

    yield rest()
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
        await first
    await items.aclose()  # type: ignore[attr-defined]


def reader_of(bus: Bus, start_seq: int | None = None, heartbeat: float = 0.2) -> OrderedReader:
    return OrderedReader(bus, STREAM, [SUBJECT], start_seq=start_seq, heartbeat=heartbeat)


async def test_reads_what_is_new_and_only_that(bus: Bus) -> None:
    await publish(bus, 1, 2)
    async with reading(reader_of(bus)) as items:
        await publish(bus, 3, 4)
        assert await take(items, 2) == [3, 4]


async def test_a_message_carries_its_sequence_subject_headers_and_time(bus: Bus) -> None:
    await publish(bus, 1, 2)
    async with reading(reader_of(bus, start_seq=2)) as items:
        message = await anext(items)
    assert isinstance(message, StreamedMessage)
    assert (message.seq, message.subject, message.payload) == (2, SUBJECT, b"2")
    assert message.headers["Nats-Msg-Id"] == "n2"
    stored = await bus.jetstream.get_msg(STREAM, 2)
    assert stored.time is not None
    assert abs((message.published_at - stored.time).total_seconds()) < 0.001


async def test_reads_on_after_idle_time_longer_than_heartbeats(bus: Bus) -> None:
    async with reading(reader_of(bus, heartbeat=0.1)) as items:
        await publish(bus, 1)
        assert await take(items, 1) == [1]
        await asyncio.sleep(1)  # the server takes a while to miss its consumer
        await publish(bus, 2)
        assert await take(items, 1) == [2]


async def test_a_burst_larger_than_the_flow_control_window_arrives_whole(bus: Bus) -> None:
    payload = bytes(100_000)
    async with reading(reader_of(bus, heartbeat=1.0)) as items:
        for _ in range(500):
            await bus.jetstream.publish(SUBJECT, payload)
        async with asyncio.timeout(60):
            sequences = [item.seq async for item in _limited(items, 500) if isinstance(item, StreamedMessage)]
    assert sequences == list(range(1, 501))


async def _limited(
    items: AsyncIterator[StreamedMessage | Discontinuity], count: int
) -> AsyncIterator[StreamedMessage | Discontinuity]:
    for _ in range(count):
        yield await anext(items)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_lost_or_repeated_through_restarts_of_the_server(
    server: NatsServer, bus: Bus, how: signal.Signals
) -> None:
    async with reading(reader_of(bus)) as items:
        got: list[int] = []
        for round_ in range(3):
            first = round_ * 100
            publishing = asyncio.create_task(publish(bus, *range(first, first + 100)))
            await asyncio.sleep(0.02)  # some are published before it stops, some after
            await server.stop(how)
            await server.start()
            await publishing
            got += await take(items, 100)
    assert got == list(range(300))


async def test_a_deleted_consumer_is_made_again(bus: Bus) -> None:
    async with reading(reader_of(bus)) as items:
        await publish(bus, 1)
        assert await take(items, 1) == [1]
        for consumer in await bus.jetstream.consumers_info(STREAM):
            await bus.jetstream.delete_consumer(STREAM, consumer.name)
        await publish(bus, 2)
        assert await take(items, 1) == [2]


async def test_a_lost_message_is_read_again(bus: Bus) -> None:
    """A message that the server sent and the client never saw: its subscription's callback drops one."""
    async with reading(reader_of(bus)) as items:
        await publish(bus, 1)
        assert await take(items, 1) == [1]
        [subscription] = [s for s in bus.client._subs.values() if getattr(s._cb, "__name__", "") == "put"]
        handler, lost = subscription._cb, asyncio.Event()
        assert handler is not None

        async def lose_one(message: Msg) -> None:
            if not lost.is_set() and "Status" not in (message.headers or {}):
                lost.set()
            else:
                await handler(message)

        subscription._cb = lose_one
        await publish(bus, 2, 3)
        assert await take(items, 2) == [2, 3]
        assert lost.is_set()


async def test_a_replaced_stream_is_told(server: NatsServer, bus: Bus) -> None:
    async with reading(reader_of(bus)) as items:
        await publish(bus, 1)
        assert await take(items, 1) == [1]
        before = await reader_of(bus).stream_state()
        await bus.jetstream.delete_stream(STREAM)
        await provision(bus.jetstream, server.settings)
        async with asyncio.timeout(20):
            broken = await anext(items)
        assert isinstance(broken, Discontinuity)
        assert broken.reason == "replaced"
        assert broken.epoch != before.epoch
        await publish(bus, 7)
        assert await take(items, 1) == [7]


async def test_messages_that_expired_unread_are_told(bus: Bus) -> None:
    await publish(bus, 1, 2, 3)
    await bus.jetstream.purge_stream(STREAM, seq=3)
    async with reading(reader_of(bus, start_seq=1)) as items:
        broken = await anext(items)
        assert isinstance(broken, Discontinuity)
        assert (broken.reason, broken.next_seq) == ("expired", 3)
        assert await take(items, 1) == [3]


def reader_of_all(bus: Bus, start_seq: int | None = None) -> OrderedReader:
    return OrderedReader(bus, STREAM, subjects.EVENT_SUBJECTS, start_seq=start_seq, heartbeat=0.2)


async def next_break(items: AsyncIterator[StreamedMessage | Discontinuity]) -> Discontinuity:
    async with asyncio.timeout(20):
        item = await anext(items)
    assert isinstance(item, Discontinuity), item
    return item


async def test_messages_deleted_from_the_midst_are_told_once_for_each_hole(bus: Bus) -> None:
    await publish(bus, *range(1, 11))
    for sequence in (3, 4, 5, 8):
        await bus.jetstream.delete_msg(STREAM, sequence)
    epoch = (await reader_of_all(bus).stream_state()).epoch
    async with reading(reader_of_all(bus, start_seq=1)) as items:
        assert await take(items, 2) == [1, 2]
        assert await next_break(items) == Discontinuity("deleted", epoch, 6)
        assert await take(items, 2) == [6, 7]
        assert await next_break(items) == Discontinuity("deleted", epoch, 9)
        assert await take(items, 2) == [9, 10]
        await publish(bus, 11)
        assert await take(items, 1) == [11]


async def test_a_deleted_first_message_is_told(bus: Bus) -> None:
    await publish(bus, 1, 2, 3, 4)
    await bus.jetstream.delete_msg(STREAM, 2)
    async with reading(reader_of_all(bus, start_seq=2)) as items:
        assert (await next_break(items)).next_seq == 3
        assert await take(items, 2) == [3, 4]


async def test_messages_that_expire_while_reading_are_told(bus: Bus) -> None:
    """They are gone before the reader, whose callback is slow, has asked for them."""
    async with reading(reader_of_all(bus)) as items:
        await publish(bus, 1)
        assert await take(items, 1) == [1]
        [subscription] = [s for s in bus.client._subs.values() if getattr(s._cb, "__name__", "") == "put"]

        async def lose(message: Msg) -> None:
            pass

        handler, subscription._cb = subscription._cb, lose
        await publish(bus, 2, 3)
        await bus.jetstream.purge_stream(STREAM)
        subscription._cb = handler
        await publish(bus, 4)
        broken = await next_break(items)
        assert (broken.reason, broken.next_seq) == ("expired", 4)
        assert await take(items, 1) == [4]


async def test_a_stream_that_drops_its_oldest_for_room_is_told(bus: Bus) -> None:
    config = (await bus.jetstream.stream_info(STREAM)).config
    config.max_bytes = 20_000
    await bus.jetstream.update_stream(config)
    items = aiter(reader_of_all(bus, start_seq=1))
    await publish(bus, 1)
    assert await take(items, 1) == [1]
    for _ in range(50):
        await bus.jetstream.publish(SUBJECT, bytes(5_000))
    seen = [1]
    async with asyncio.timeout(20):
        async for item in items:
            if isinstance(item, Discontinuity):
                assert item.reason == "expired"
                seen.append(item.next_seq - 1)
            else:
                assert item.seq == seen[-1] + 1
                seen.append(item.seq)
            if seen[-1] == 51:
                break
    await items.aclose()  # type: ignore[attr-defined]


async def test_a_reader_of_some_subjects_takes_other_subjects_for_no_hole(bus: Bus) -> None:
    await publish(bus, 1)
    await bus.jetstream.publish(subjects.event("image.deleted"), b"other")
    await publish(bus, 2)
    async with reading(reader_of(bus, start_seq=1)) as items:
        assert await take(items, 2) == [1, 2]


async def test_a_range_with_a_hole_ends_with_it(bus: Bus) -> None:
    await publish(bus, *range(1, 7))
    for sequence in (3, 6):
        await bus.jetstream.delete_msg(STREAM, sequence)
    reader = reader_of_all(bus)
    epoch = (await reader.stream_state()).epoch

    async def read(first: int, last: int) -> list[int | Discontinuity]:
        async with asyncio.timeout(10):
            items = [item async for item in reader.read_range(first, last, epoch=epoch)]
        return [item.seq if isinstance(item, StreamedMessage) else item for item in items]

    assert await read(1, 2) == [1, 2]
    assert await read(1, 5) == [1, 2, Discontinuity("deleted", epoch, 4)]
    assert await read(2, 3) == [2, Discontinuity("deleted", epoch, 4)]
    assert await read(4, 6) == [4, 5, Discontinuity("deleted", epoch, 7)]
    assert await read(6, 6) == [Discontinuity("deleted", epoch, 7)]
    await publish(bus, 7)
    assert await read(4, 6) == [4, 5, Discontinuity("deleted", epoch, 7)]


async def test_a_start_beyond_the_end_is_told_as_rewound(bus: Bus) -> None:
    await publish(bus, 1)
    async with reading(reader_of(bus, start_seq=50)) as items:
        broken = await anext(items)
        assert isinstance(broken, Discontinuity)
        assert (broken.reason, broken.next_seq) == ("rewound", 2)


async def test_state_tells_bounds_and_keeps_the_epoch_over_a_restart(server: NatsServer, bus: Bus) -> None:
    reader = reader_of(bus)
    empty = await reader.stream_state()
    assert (empty.first_seq, empty.last_seq) == (1, 0)
    await publish(bus, 1, 2)
    await server.stop()
    with pytest.raises(BusUnavailable):
        await reader.stream_state()
    await server.start()
    await publish(bus, 3)
    state = await reader.stream_state()
    assert (state.epoch, state.first_seq, state.last_seq) == (empty.epoch, 1, 3)


async def test_a_range_is_read_once_and_leaves_no_consumer_behind(bus: Bus) -> None:
    await publish(bus, *range(1, 21))
    reader = reader_of(bus)
    epoch = (await reader.stream_state()).epoch
    got = [item async for item in reader.read_range(5, 9, epoch=epoch)]
    assert [item.seq for item in got if isinstance(item, StreamedMessage)] == [5, 6, 7, 8, 9]
    assert [item async for item in reader.read_range(9, 8, epoch=epoch)] == []
    assert await bus.jetstream.consumers_info(STREAM) == []


async def test_a_range_whose_end_was_deleted_still_ends(bus: Bus) -> None:
    await publish(bus, *range(1, 6))
    await bus.jetstream.delete_msg(STREAM, 4)
    await bus.jetstream.delete_msg(STREAM, 5)
    reader = reader_of(bus)
    epoch = (await reader.stream_state()).epoch
    async with asyncio.timeout(10):
        got = [item async for item in reader.read_range(2, 5, epoch=epoch)]
        assert [item.seq for item in got if isinstance(item, StreamedMessage)] == [2, 3]
        assert [item async for item in reader.read_range(4, 5, epoch=epoch)] == []


async def test_a_range_of_another_incarnation_is_refused(bus: Bus) -> None:
    await publish(bus, 1)
    [broken] = [item async for item in reader_of(bus).read_range(1, 1, epoch="beef")]
    assert isinstance(broken, Discontinuity)
    assert broken.reason == "replaced"
