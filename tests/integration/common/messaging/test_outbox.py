"""What a transaction causes is published, whoever dies in between; nothing is published that was not committed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from tests.polling import until

from heliograph_common.bus.publish import Published
from heliograph_common.clock import utc_now
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import DeadLetter, RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.engine import Database
from heliograph_common.db.message_models import OutboxRow
from heliograph_common.db.work_models import Work
from heliograph_common.errors import BusUnavailable, StreamFull, Unpublishable
from heliograph_common.ids import new_id
from heliograph_common.messaging import outbox
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.testing.relay import NoRelay


class Nats:
    """Stands for the bus: takes messages, or refuses them."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.connected = True
        self.failing = False
        self.full: set[str] = set()
        self.limit = 1 << 20

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> Published:
        if self.failing:
            raise BusUnavailable("no")
        stream = subject.partition(".")[0]
        if stream in self.full:
            raise StreamFull("maximum bytes exceeded")
        if len(payload) > self.limit:
            raise Unpublishable(f"{len(payload)} bytes are over the limit")
        self.taken.append(headers["Nats-Msg-Id"])
        return Published(stream, len(self.taken), False)

    def is_connected(self) -> bool:
        return self.connected


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


async def test_own_messages_are_published_in_order_and_removed(db: Database) -> None:
    nats = Nats()
    relay = Relay(db, nats.publish, nats.is_connected)
    await relay.start()
    sent = await _send(Messenger(db, relay), 20)
    await until(lambda: len(nats.taken) == 20)
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
    sent = await _send(Messenger(db, NoRelay()), 30)
    nats = Nats()
    sweeper = Relay(db, nats.publish, nats.is_connected)
    assert await sweeper.sweep() == 0  # still its own service's
    await _age(db)
    assert await sweeper.sweep() == 30
    assert nats.taken == sent
    assert await _rows(db) == 0


async def test_sweepers_share_without_doubles(db: Database) -> None:
    await _send(Messenger(db, NoRelay()), 1200)
    await _age(db)
    nats = Nats()
    counts = await asyncio.gather(*(Relay(db, nats.publish, nats.is_connected).sweep() for _ in range(4)))
    assert sum(counts) == 1200
    assert len(set(nats.taken)) == len(nats.taken) == 1200


async def test_what_cannot_be_published_stays(db: Database) -> None:
    nats = Nats()
    nats.failing = True
    sent = await _send(Messenger(db, NoRelay()), 3)
    await _age(db)
    relay = Relay(db, nats.publish, nats.is_connected)
    assert await relay.sweep() == 0
    assert await _rows(db) == 3
    nats.failing = False
    assert await relay.sweep() == 3
    assert sorted(nats.taken) == sorted(sent)


async def test_a_row_that_commits_late_is_not_skipped(db: Database) -> None:
    nats = Nats()
    messenger = Messenger(db, NoRelay())
    relay = Relay(db, nats.publish, nats.is_connected)
    async with messenger.transaction() as early:
        await early.request("work.render.low", RenderImage(image_id=new_id()), owner="ann")
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


def _letter(size: int) -> DeadLetter:
    return DeadLetter(
        service="test", subject="work.render.low", headers={}, payload="x" * size, reason="none", error="Permanent",
        deliveries=1, died_at=utc_now(),
    )  # fmt: skip


async def test_a_full_stream_holds_up_no_other(db: Database) -> None:
    nats = Nats()
    nats.full = {"work"}
    messenger = Messenger(db, NoRelay())
    commands = await _send(messenger, 600)  # more than one batch
    async with messenger.transaction() as transaction:
        transaction.dead_letter(_letter(10), owner="ann")
    await _age(db)
    relay = Relay(db, nats.publish, nats.is_connected)
    assert await relay.sweep() == 1
    assert nats.taken == [str(transaction.messages[0].id)]
    nats.full = set()
    assert await relay.sweep() == 600
    assert set(commands) <= set(nats.taken)


async def test_what_can_never_be_published_is_set_aside_and_blocks_nothing(db: Database) -> None:
    nats = Nats()
    messenger = Messenger(db, NoRelay())
    async with messenger.transaction() as transaction:
        transaction.dead_letter(_letter(2 << 20), owner="ann")
        transaction.dead_letter(_letter(10), owner="ann")
    large, small = transaction.messages
    await _age(db)
    relay = Relay(db, nats.publish, nats.is_connected)
    await relay.sweep()
    await relay.sweep()
    assert nats.taken == [str(small.id)]
    async with db.transaction() as connection:
        (aside,) = await outbox.quarantined(connection, after=None, limit=10)
        assert (aside.id, aside.bytes) == (large.id, len(large.payload))
        assert "over the limit" in aside.quarantine_reason
        assert await outbox.depth(connection) == outbox.Depth(0, 0.0, 1)
        assert await outbox.release_quarantined(connection, large.id)
    nats.limit = 4 << 20
    assert await relay.sweep() == 1
    assert nats.taken[-1] == str(large.id)


async def test_where_a_command_was_stored_is_noted_in_its_row(db: Database) -> None:
    nats = Nats()
    await _send(Messenger(db, NoRelay()), 3)
    await _age(db)
    await Relay(db, nats.publish, nats.is_connected).sweep()
    async with db.transaction() as connection:
        rows = (await connection.execute(select(Work.published_seq, Work.command_id))).all()
    assert sorted(row.published_seq for row in rows) == [1, 2, 3]
    assert {str(row.command_id) for row in rows} == set(nats.taken)
