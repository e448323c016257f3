"""The signal over a real NATS: what counts as work, and what does not."""

from __future__ import annotations

import asyncio
import signal as signals
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.components import provisioned_bus, started
from tests.integration.common.messaging.worker_harness import Recorder
from tests.integration.operator.support import (
    ACK_WAIT,
    HIGH,
    NORMAL,
    Looking,
    by_hand,
    command,
    looking,
    real_worker,
    scaler,
    send,
)
from tests.nats_server import NatsServer
from tests.polling import until

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.notices import say
from heliograph_common.bus.provision import provision
from heliograph_common.contracts import subjects
from heliograph_common.contracts.subjects import WORK_STREAM, Priority
from heliograph_common.errors import BadImage, BlobsUnavailable, Temporary
from heliograph_common.settings import ServiceSettings
from heliograph_common.telemetry import metrics
from heliograph_operator.signal.reader import LISTENING_SECONDS, Reader, SignalLost


@pytest.fixture
async def bus(settings: ServiceSettings) -> AsyncIterator[Bus]:
    async with provisioned_bus(settings.nats.model_copy(update={"ack_wait": ACK_WAIT})) as bus:
        yield bus


@pytest.fixture
async def eye(bus: Bus) -> AsyncIterator[Looking]:
    """A reader that has heard all workers there are: none."""
    async with looking(bus) as found:
        yield found


async def test_what_waits_and_what_is_in_hand_counts(bus: Bus, eye: Looking) -> None:
    assert (await eye.look()).backlog == 0
    await send(bus, 3)
    await send(bus, 2, Priority.HIGH)
    assert (await eye.look()).backlog == 5
    async with by_hand(bus) as worker:
        taken = await worker.take(2)
        told = await eye.until(lambda told: told.in_flight == 2)
        assert told.backlog == 5
        for delivery in taken:
            await delivery.ack()
        assert (await eye.look()).backlog == 3
        assert (await eye.until(lambda told: told.slots)).slots == 4


async def test_a_delayed_retry_does_not_count_until_it_is_due(bus: Bus, eye: Looking) -> None:
    await send(bus, 2)
    async with by_hand(bus) as worker:
        later, now = await worker.take(2)
        await later.nak(6.0)
        told = await eye.until(lambda told: told.backlog == 1)
        assert told.in_flight == 1
        await now.ack()
        await eye.until(lambda told: told.backlog == 0)
    assert (await eye.look()).backlog == 0, "the worker is gone, and the retry is not due"
    assert (await eye.until(lambda told: told.backlog == 1)).in_flight == 1


async def test_what_a_killed_worker_had_in_hand_counts(bus: Bus, eye: Looking) -> None:
    await send(bus, 2)
    worker_bus = Bus(bus.settings, client_name="killed")
    async with started([worker_bus]):
        await worker_bus.wait_connected()
        async with by_hand(worker_bus) as worker:
            await worker.take(2)
            await eye.until(lambda told: told.busy)
            await worker_bus.client.close()  # its last report does not come
        await eye.until(lambda told: not told.workers)
    told = await eye.look()
    assert (told.backlog, told.in_flight) == (2, 2)


async def test_dead_letters_do_not_count(settings: ServiceSettings, bus: Bus, eye: Looking) -> None:
    async def refuse(_: int) -> None:
        raise BadImage("broken")

    handler = Recorder(refuse)
    async with real_worker(settings, handler) as backbone:
        await command(backbone, 3)
        await until(lambda: len(handler.given_up) == 3)
        told = await eye.until(lambda told: told.backlog == 0 and told.service_rate)
        assert told.in_flight == 0
    assert (await bus.jetstream.stream_info("DEAD")).state.messages == 3


async def test_a_paused_consumer_does_not_count_and_is_named(bus: Bus, eye: Looking) -> None:
    await send(bus, 5)
    await send(bus, 1, Priority.HIGH)
    until_then = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    await bus.client.jsm().pause_consumer(WORK_STREAM, NORMAL, until_then)
    told = await eye.look()
    assert (told.backlog, told.paused) == (1, (NORMAL,))
    await bus.client.jsm().resume_consumer(WORK_STREAM, NORMAL)
    told = await eye.look()
    assert (told.backlog, told.paused) == (6, ())


async def test_a_consumer_that_is_deleted_is_named_and_one_that_comes_back_begins_again(bus: Bus, eye: Looking) -> None:
    await send(bus, 40)
    for _ in range(6):
        await eye.look()
        await asyncio.sleep(0.6)  # longer than arrivals need to be told
    await bus.jetstream.delete_consumer(WORK_STREAM, NORMAL)
    told = await eye.look()
    assert (told.backlog, told.missing) == (0, (NORMAL,))
    await provision(bus.jetstream, bus.settings)
    told = await eye.look()
    assert (told.backlog, told.missing, told.arrival_rate) == (40, (), 0.0)


async def test_a_stream_that_does_not_exist_is_all_its_consumers_missing(bus: Bus, eye: Looking) -> None:
    await bus.jetstream.delete_stream(WORK_STREAM)
    assert (await eye.look()).missing == eye.spec.consumers


async def test_rates_have_a_source_in_a_real_worker(settings: ServiceSettings, eye: Looking) -> None:
    async def work(_: int) -> None:
        await asyncio.sleep(0.2)  # what is measured

    handler = Recorder(work)
    async with real_worker(settings, handler, slots=2) as backbone:
        await eye.until(lambda told: told.slots == 2)
        for _ in range(10):
            await command(backbone, 3)
            await eye.look()
            await asyncio.sleep(0.4)  # so that messages arrive over some seconds
        await until(lambda: len(handler.concluded) == 30)
        told = await eye.until(lambda told: told.backlog == 0 and told.busy == {socket.gethostname(): 0})
    assert told.service_rate is not None
    assert 0.5 < told.service_rate < 5.1, "a slot does 5 a second at most"
    assert 1.0 < told.arrival_rate < 10.0, "30 in about 4 to 8 seconds"
    assert metrics.REGISTRY.get_sample_value("heliograph_worker_completions_total", {"consumer": "recorder"})


async def test_a_worker_that_only_waits_for_a_server_is_stalled(settings: ServiceSettings, eye: Looking) -> None:
    away = True

    async def fail(_: int) -> None:
        if away:
            raise BlobsUnavailable("away")

    async def check() -> None:
        await fail(0)

    handler = Recorder(fail)
    async with real_worker(settings, handler, available=(check,)) as backbone:
        assert not (await eye.until(lambda told: told.busy)).stalled
        await command(backbone)
        told = await eye.until(lambda told: told.stalled)
        assert told.in_flight == 1
        away = False
        await until(lambda: handler.concluded)
        assert not (await eye.until(lambda told: not told.stalled)).backlog


async def test_a_retry_of_a_real_worker_waits_without_counting(settings: ServiceSettings, eye: Looking) -> None:
    async def fail(_: int) -> None:
        raise Temporary("not yet", delay=60)

    handler = Recorder(fail)
    async with real_worker(settings, handler) as backbone:
        await command(backbone, 3)
        await until(lambda: len(handler.started) == 3)
        await eye.until(lambda told: told.backlog == 0)
    told = await eye.look()
    assert (told.backlog, told.busy) == (0, {}), "its last report tells what it has returned"


async def test_reports_that_are_none_are_counted_and_ignored(bus: Bus, eye: Looking) -> None:
    def ignored() -> float:
        found = metrics.REGISTRY.get_sample_value("heliograph_worker_reports_ignored_total", {"reason": "malformed"})
        return found or 0.0

    before = ignored()
    for payload in (b"", b"{}", b"\xff" * 100, b"[" * 50_000, b"x" * 200_000):
        assert await say(bus, subjects.workers("stranger"), payload)
    await until(lambda: ignored() >= before + 5)
    assert (await eye.look()).backlog == 0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path)
    await server.start()
    yield server
    await server.stop(signals.SIGKILL)


async def test_the_signal_is_lost_without_nats_and_comes_back_with_it(server: NatsServer) -> None:
    async with provisioned_bus(server.settings) as bus, looking(bus, listening_seconds=LISTENING_SECONDS) as eye:
        await send(bus, 2)
        async with by_hand(bus) as worker:
            first, _ = await worker.take(2)
            await first.nak(120.0)
            assert (await eye.until(lambda told: told.busy and told.backlog == 1)).in_flight == 1
            await server.stop()
            await until(lambda: not bus.connected)
            with pytest.raises(SignalLost, match="not connected"):
                await eye.look()
            await server.start()
            with pytest.raises(SignalLost):
                await eye.look()
            told = await eye.until(lambda _: True)
            assert told.backlog == 1, "nothing counts before the worker was heard again"
            assert told.busy == {socket.gethostname(): 0}


async def test_a_server_that_hangs_is_not_waited_for(server: NatsServer) -> None:
    async with provisioned_bus(server.settings) as bus, looking(bus) as eye:
        server.send(signals.SIGSTOP)
        try:
            async with asyncio.timeout(25):
                with pytest.raises(SignalLost):
                    await eye.look()
        finally:
            server.send(signals.SIGCONT)
        await eye.until(lambda _: True)


async def test_nothing_is_told_before_workers_were_heard(bus: Bus) -> None:
    reader = Reader(bus)
    with pytest.raises(SignalLost, match="not heard"):
        await reader.look(scaler(HIGH))
