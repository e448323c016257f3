"""Work from its rows: by priority, leased, and only what NATS does not bring."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy import delete, func, text, update
from tests.polling import until

from heliograph_common.contracts import subjects
from heliograph_common.contracts.envelope import body_of, decode
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import work
from heliograph_common.db.engine import Database
from heliograph_common.db.message_models import OutboxRow
from heliograph_common.db.work_models import Work
from heliograph_common.errors import BusUnavailable
from heliograph_common.ids import new_id
from heliograph_common.messaging.ports import Delivery
from heliograph_common.messaging.row_source import FallbackSource, RowSource
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.testing.relay import NoRelay


class Silent:
    """A source that has nothing."""

    async def next(self) -> Delivery:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    async def release(self) -> None: ...

    async def close(self) -> None: ...


class Late(Silent):
    """A source that brings one delivery when it is told to."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self.asked = False

    async def next(self) -> Delivery:
        self.asked = True
        return await self.queue.get()


async def _send(db: Database, count: int = 1, priority: Priority = Priority.NORMAL) -> list[UUID]:
    ids = [new_id() for _ in range(count)]
    async with Messenger(db, NoRelay()).transaction() as transaction:
        for image_id in ids:
            await transaction.request(subjects.render(priority), RenderImage(image_id=image_id), owner="ann")
    return ids


class Unreachable:
    """A delivery of a server that has gone away since."""

    async def nak(self, _delay: float) -> None:
        raise BusUnavailable("NATS is not connected")


def _rows(db: Database) -> RowSource:
    return RowSource(db, [subjects.render(priority) for priority in Priority], by="test")


def _targets(deliveries: Sequence[Delivery | None]) -> list[UUID]:
    return [body_of(decode(one.payload), RenderImage).image_id for one in deliveries if one is not None]


async def _age(db: Database, seconds: float) -> None:
    async with db.transaction() as connection:
        for column, table in ((OutboxRow.created_at, OutboxRow), (Work.sent_at, Work)):
            await connection.execute(update(table).values({column: func.now() - timedelta(seconds=seconds)}))


async def test_work_comes_by_priority_and_is_leased(db: Database) -> None:
    low = await _send(db, 2, Priority.LOW)
    high = await _send(db, 1, Priority.HIGH)
    rows = _rows(db)
    taken = [await rows.try_next(unpublished_for=None) for _ in range(4)]
    assert _targets(taken) == high + low
    assert taken[3] is None  # all are leased


async def test_a_lease_that_ran_out_is_another_workers(db: Database) -> None:
    sent = await _send(db)
    rows = _rows(db)
    assert await rows.try_next(unpublished_for=None) is not None
    assert await rows.try_next(unpublished_for=None) is None
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE work SET leased_until = now() - interval '1 second'"))
    assert _targets([await rows.try_next(unpublished_for=None)]) == sent


async def test_what_was_given_back_with_a_delay_waits(db: Database) -> None:
    (target,) = await _send(db)
    async with db.transaction() as connection:
        row = await work.begin(connection, "render", target, message_id=new_id(), by="test", hold=timedelta(seconds=9))
        assert row is not None
        await work.give_back(connection, "render", target, row.fence, delay=60, failed=True)
    assert await _rows(db).try_next(unpublished_for=None) is None


async def test_only_what_nats_has_not_stored_for_long(db: Database) -> None:
    published, stuck = await _send(db), await _send(db)
    async with db.transaction() as connection:
        row = await work.find(connection, "render", published[0])
        assert row is not None
        await work.note_published(connection, {row.command_id: 7})
        await connection.execute(delete(OutboxRow).where(OutboxRow.id == row.command_id))
    rows, patience = _rows(db), timedelta(seconds=5)
    assert await rows.try_next(unpublished_for=patience) is None
    await _age(db, 6)
    taken = [await rows.try_next(unpublished_for=patience) for _ in range(2)]
    assert _targets(taken) == stuck


async def test_what_is_done_leaves_the_outbox(db: Database) -> None:
    await _send(db)
    delivery = await _rows(db).try_next(unpublished_for=None)
    assert delivery is not None
    await delivery.ack()
    async with db.transaction() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one() == 0


async def test_rows_take_over_after_some_patience_as_fast_as_they_are_asked(db: Database) -> None:
    await _send(db, 20)
    failing = 0.0
    source = FallbackSource(Silent(), _rows(db), failing_for=lambda: failing, patience=5)
    taking = asyncio.create_task(source.next())
    await asyncio.sleep(1.2)  # longer than its pause between looks
    assert not taking.done()
    failing = 5.0
    began = time.monotonic()
    async with asyncio.timeout(15):
        await taking
        for _ in range(19):
            await source.next()
    assert time.monotonic() - began < 8  # two a second would take ten
    await source.close()


async def test_a_delivery_that_comes_during_a_look_at_the_rows_is_handed_out(db: Database) -> None:
    sent = await _send(db, 2)
    late = Late()
    source = FallbackSource(late, _rows(db), failing_for=lambda: 9.0, patience=5)
    first = await source.next()
    brought = await _rows(db).try_next(unpublished_for=None)  # as good a delivery as any
    assert brought is not None
    late.queue.put_nowait(brought)
    await asyncio.sleep(0)  # the task that waits for NATS has it now
    async with asyncio.timeout(10):
        assert await source.next() is brought
    assert _targets([first, brought]) == sent
    await source.close()


async def test_what_nats_does_not_store_is_taken_as_fast_as_it_is_asked_for(db: Database) -> None:
    """NATS can be pulled from all the time, and takes nothing: its disk is full."""
    await _send(db, 20)
    await _age(db, 6)
    source = FallbackSource(Silent(), _rows(db), failing_for=lambda: 0.0, patience=5)
    began = time.monotonic()
    async with asyncio.timeout(30):
        for _ in range(20):
            await source.next()
    assert time.monotonic() - began < 10  # one a second would take twenty
    await source.close()


@pytest.mark.parametrize("end", ["release", "close"])
async def test_what_cannot_be_given_back_now_does_not_end_the_worker(db: Database, end: str) -> None:
    late = Late()
    source = FallbackSource(late, _rows(db), failing_for=lambda: 0.0, patience=30.0)
    waiting = asyncio.create_task(source.next())
    await until(lambda: late.asked)
    late.queue.put_nowait(cast("Delivery", Unreachable()))
    waiting.cancel()  # as a worker that stops does; what the preferred source has brought meanwhile is in nobody's hands
    await asyncio.gather(waiting, return_exceptions=True)
    await getattr(source, end)()
