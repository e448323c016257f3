"""Images that stopped moving are sent on their way again; those that only wait are left alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from heliograph_common.db.engine import Database
from heliograph_common.db.models import Image, OutboxRow
from heliograph_common.db.statements import insert_image
from heliograph_common.errors import BusUnavailable
from heliograph_common.ids import new_id
from heliograph_common.messaging.outbox import Message
from heliograph_common.messaging.reconcile import Reconciler
from heliograph_common.messaging.transaction import Messenger


class Nobody:
    """Leaves all messages in the outbox."""

    def submit(self, messages: list[Message]) -> None:
        """Does nothing."""


async def _image(db: Database, *, age: int, **values: Any) -> None:
    row = {
        "id": new_id(), "owner": "ann", "name": "a.jpg", "source": "upload", "sha256": str(new_id()), "bytes": 1,
        "mime_type": "image/jpeg", "width": 1, "height": 1, "priority": "low", **values,
    }  # fmt: skip
    async with db.transaction() as connection:
        assert await insert_image(connection, row)
        moment = func.now() - timedelta(seconds=age)
        await connection.execute(update(Image).where(Image.id == row["id"]).values(updated_at=moment))


async def _commands(db: Database) -> list[str]:
    async with db.transaction() as connection:
        return list((await connection.execute(select(OutboxRow.subject))).scalars())


def _reconciler(db: Database, *, waiting: float = 0) -> Reconciler:
    async def oldest() -> timedelta:
        return timedelta(seconds=waiting)

    return Reconciler(Messenger(db, Nobody()), oldest, stuck_after=timedelta(seconds=60))


async def test_only_stuck_images_are_sent_again(db: Database) -> None:
    await _image(db, age=100)
    await _image(db, age=100, processing_status="processing")
    await _image(db, age=10)
    await _image(db, age=100, processing_status="complete")
    await _image(db, age=100, processing_status="failed")
    await _image(db, age=100, deleted_at=func.now())
    reconciler = _reconciler(db)
    assert await reconciler.run_once() == 2
    assert await _commands(db) == ["work.render.low"] * 2
    assert await reconciler.run_once() == 0  # they get their time again


async def test_a_long_queue_is_not_a_standstill(db: Database) -> None:
    await _image(db, age=100)
    assert await _reconciler(db, waiting=90).run_once() == 0
    assert await _reconciler(db, waiting=30).run_once() == 1


async def test_one_acts_at_a_time(db: Database) -> None:
    for _ in range(20):
        await _image(db, age=100)
    counts = await asyncio.gather(*(_reconciler(db).run_once() for _ in range(4)))
    assert sum(counts) == 20


async def test_without_nats_nothing_is_guessed(db: Database) -> None:
    await _image(db, age=100)

    async def unknown() -> timedelta:
        raise BusUnavailable("away")

    reconciler = Reconciler(Messenger(db, Nobody()), unknown, stuck_after=timedelta(seconds=60))
    with pytest.raises(BusUnavailable):
        await reconciler.run_once()
    assert await _commands(db) == []
