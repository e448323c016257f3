"""What a transaction causes is published, whoever dies in between; nothing is published that was not committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from heliograph_common.messaging.outbox_source import FallbackSource, OutboxSource
from sqlalchemy import func, select, text, update

from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.engine import Database
from heliograph_common.db.models import OutboxRow
from heliograph_common.errors import BusUnavailable
from heliograph_common.ids import new_id
from heliograph_common.messaging import outbox
from heliograph_common.messaging.outbox import Message
from heliograph_common.messaging.ports import Delivery
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.transaction import Messenger


class Nats:
    """Stands for the bus: takes messages, or refuses them."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.connected = True
        self.failing = False

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        if self.failing:
            raise BusUnavailable("no")
        self.taken.append(headers["Nats-Msg-Id"])

    def is_connected(self) -> bool:
        return self.connected


class Nobody:
    """After the commit the process is gone."""

    def submit(self, messages: list[Message]) -> None:
        """Forgets them."""


async def _send(messenger: Messenger, count: int = 1, priority: Priority = Priority.NORMAL) -> list[str]:
    async with messenger.transaction() as transaction:
        for _ in range(count):
            await transaction.request(subjects.render(priority), RenderImage(image_id=new_id()), owner="ann")
    return [str(message.id) for message in transaction.messages]


async def _age(db: Database, seconds: float = 60) -> None:
    async with db.transaction() as connection:
        await connection.execute(update(OutboxRow).values(created_at=func.now() - timedelta(seconds=seconds)))


async def _rows(db: Database) -> int:
    async with db.transaction() as connection:
        return int((await connection.execute(select(func.count()).select_from(OutboxRow))).scalar_one())


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


async def test_own_messages_are_published_in_order_and_removed(db: Database) -> None:
    nats = Nats()
    relay = Relay(db, nats.publish, nats.is_connected)
    await relay.start()
    sent = await _send(Messenger(db, relay), 20)
    await _until(lambda: len(nats.taken) == 20)
    await relay.stop(5)
    assert nats.taken == sent
    assert await _rows(db) == 0


async def test_a_rolled_back_transaction_sends_nothing(db: Database) -> None:
    nats = Nats()
    relay = Relay(db, nats.publish, nats.is_connected)
    await relay.start()
    messenger = Messenger(db, relay)

    async def fail_half_way() -> None:
        async with messenger.transaction() as transaction:
            await transaction.request("work.render.low", RenderImage(image_id=new_id()), owner="ann")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_half_way()
    await relay.stop(5)
    assert nats.taken == []
    assert await _rows(db) == 0


async def test_another_service_publishes_what_a_dead_one_left(db: Database) -> None:
    sent = await _send(Messenger(db, Nobody()), 30)
    nats = Nats()
    sweeper = Relay(db, nats.publish, nats.is_connected)
    assert await sweeper.sweep() == 0  # still its own service's
    await _age(db)
    assert await sweeper.sweep() == 30
    assert nats.taken == sent
    assert await _rows(db) == 0


async def test_sweepers_share_without_doubles(db: Database) -> None:
    await _send(Messenger(db, Nobody()), 1200)
    await _age(db)
    nats = Nats()
    counts = await asyncio.gather(*(Relay(db, nats.publish, nats.is_connected).sweep() for _ in range(4)))
    assert sum(counts) == 1200
    assert len(set(nats.taken)) == len(nats.taken) == 1200


async def test_what_cannot_be_published_stays(db: Database) -> None:
    nats = Nats()
    nats.failing = True
    sent = await _send(Messenger(db, Nobody()), 3)
    await _age(db)
    relay = Relay(db, nats.publish, nats.is_connected)
    assert await relay.sweep() == 0
    assert await _rows(db) == 3
    nats.failing = False
    assert await relay.sweep() == 3
    assert sorted(nats.taken) == sorted(sent)


async def test_a_row_that_commits_late_is_not_skipped(db: Database) -> None:
    nats = Nats()
    messenger = Messenger(db, Nobody())
    relay = Relay(db, nats.publish, nats.is_connected)
    async with messenger.transaction() as early:
        early.command("work.render.low", RenderImage(image_id=new_id()), owner="ann")
        await outbox.add(early.connection, early.messages)
        early_ids = [str(message.id) for message in early.messages]
        early.messages = []  # they are in, but not committed
        await _send(messenger)
        await _age(db)
        await relay.sweep()
        assert len(nats.taken) == 1
    await _age(db)
    await relay.sweep()
    assert set(early_ids) <= set(nats.taken)


async def test_held_back_commands_stay_for_workers(db: Database) -> None:
    nats = Nats()
    relay = Relay(db, nats.publish, nats.is_connected, hold_back="work.render.")
    await relay.start()
    await _send(Messenger(db, relay), 2)
    await _age(db)
    assert await relay.sweep() == 0
    await relay.stop(5)
    assert nats.taken == []
    assert await _rows(db) == 2


async def test_commands_come_by_priority_and_are_leased(db: Database) -> None:
    messenger = Messenger(db, Nobody())
    low = await _send(messenger, 2, Priority.LOW)
    high = await _send(messenger, 1, Priority.HIGH)
    source = OutboxSource(db, [subjects.render(priority) for priority in Priority], ack_wait=60)
    taken = [await source.try_next() for _ in range(4)]
    ids = [delivery.headers["Nats-Msg-Id"] for delivery in taken if delivery is not None]
    assert ids == high + low
    assert taken[3] is None  # all are leased
    assert taken[0] is not None
    await taken[0].ack()
    assert taken[1] is not None
    await taken[1].nak(0)
    again = await source.try_next()
    assert again is not None
    assert (again.headers["Nats-Msg-Id"], again.deliveries) == (low[0], 2)
    assert await _rows(db) == 2


async def test_a_lease_that_ran_out_is_taken_by_another(db: Database) -> None:
    (command,) = await _send(Messenger(db, Nobody()))
    source = OutboxSource(db, ["work.render.normal"], ack_wait=60)
    assert await source.try_next() is not None
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE outbox SET claimed_until = now() - interval '1 second'"))
    again = await source.try_next()
    assert again is not None
    assert again.headers["Nats-Msg-Id"] == command


class Silent:
    """A source that has nothing."""

    async def next(self) -> Delivery:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    async def release(self) -> None: ...

    async def close(self) -> None: ...


async def test_the_outbox_takes_over_only_after_some_patience(db: Database) -> None:
    await _send(Messenger(db, Nobody()))
    away = 0.0
    from_outbox = OutboxSource(db, ["work.render.normal"], ack_wait=60)
    source = FallbackSource(Silent(), from_outbox, away=lambda: away, patience=5)
    taking = asyncio.create_task(source.next())
    await asyncio.sleep(1.2)
    assert not taking.done()
    away = 5.0
    async with asyncio.timeout(10):
        delivery = await taking
    assert delivery.deliveries == 1
