"""Work without a command is sent again; work that waits, or that someone has in hand, is left alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from heliograph_common.bus.work_progress import ConsumerProgress, WorkProgress
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.streams import THUMBNAILER
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import work
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.db.message_models import OutboxRow
from heliograph_common.db.statements import insert_image
from heliograph_common.db.work_models import Work
from heliograph_common.errors import BusUnavailable
from heliograph_common.ids import new_id
from heliograph_common.ingest import unfinished
from heliograph_common.messaging.reconcile import Reconciler
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.testing.relay import NoRelay

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def _progress(*, delivered: int = 0, pending: int = 0, created: datetime = LONG_AGO, last: int = 1000) -> WorkProgress:
    place = ConsumerProgress(delivered, pending, False)
    return WorkProgress(
        f"{round(created.timestamp() * 1_000_000):x}", last, {spec.durable: place for spec in THUMBNAILER}
    )


def _reconciler(db: Database, progress: WorkProgress) -> Reconciler:
    async def known() -> WorkProgress:
        return progress

    return Reconciler(Messenger(db, NoRelay()), known, adopt=(unfinished.adopt,))


async def _work(db: Database, count: int = 1, *, published: int | None = None, due: bool = True) -> list[UUID]:
    """Work whose deadline has passed; ``published``: the place in the stream of the first, those after it follow."""
    ids = [new_id() for _ in range(count)]
    async with Messenger(db, NoRelay()).transaction() as transaction:
        wanted = [(subjects.render(Priority.LOW), RenderImage(image_id=image_id), "ann") for image_id in ids]
        await transaction.request_all(wanted)
    async with db.transaction() as connection:
        await connection.execute(text("TRUNCATE outbox"))
        if published is not None:
            rows = (await connection.execute(select(Work.command_id).where(Work.target.in_(ids)))).scalars().all()
            await work.note_published(connection, {one: published + place for place, one in enumerate(rows)})
        if due:
            await connection.execute(update(Work).values(check_at=func.now() - timedelta(seconds=1)))
    return ids


async def _commands(db: Database) -> Sequence[str]:
    async with db.transaction() as connection:
        return (await connection.execute(select(OutboxRow.subject))).scalars().all()


async def test_a_command_that_is_nowhere_is_sent_again_once(db: Database) -> None:
    (target,) = await _work(db)
    reconciler = _reconciler(db, _progress())
    assert await reconciler.run_once() == 1
    assert await _commands(db) == ["work.render.low"]
    assert await reconciler.run_once() == 0  # it gets its time
    async with db.transaction() as connection:
        row = await work.find(connection, "render", target)
        sent = (await connection.execute(select(OutboxRow.id))).scalar_one()
    assert row is not None
    assert row.command_id == sent


@pytest.mark.parametrize(
    ("progress", "sent"),
    [
        (_progress(delivered=4, pending=10), 0),  # it waits in a long queue
        (_progress(delivered=5, pending=10), 1),  # it was delivered, and nobody has it
        (_progress(delivered=4, pending=0), 1),  # it was deleted from the stream
        (_progress(delivered=0, pending=2, last=3), 1),  # the stream was set back to before it
        (_progress(delivered=0, pending=10, created=datetime(2999, 1, 1, tzinfo=UTC)), 1),  # it is another stream
    ],
)
async def test_whether_a_command_is_outstanding_is_known_by_its_place(
    db: Database, progress: WorkProgress, sent: int
) -> None:
    await _work(db, published=5)
    assert await _reconciler(db, progress).run_once() == sent
    assert len(await _commands(db)) == sent


async def test_one_held_message_hides_nothing(db: Database) -> None:
    """The first of them is in someone's hands for ever, so the oldest message of the stream is old."""
    held, lost = await _work(db, 2, published=5)
    async with db.transaction() as connection:
        await work.begin(connection, "render", held, message_id=new_id(), by="test", hold=timedelta(hours=1))
    assert await _reconciler(db, _progress(delivered=6, pending=3)).run_once() == 1
    async with db.transaction() as connection:
        row = await work.find(connection, "render", lost)
    assert row is not None
    assert row.published_seq is None


async def test_what_is_in_the_outbox_is_not_sent_twice(db: Database) -> None:
    await _work(db)
    assert await _reconciler(db, _progress()).run_once() == 1
    for _ in range(3):  # NATS is away for long: its row stays where it is
        async with db.transaction() as connection:
            await connection.execute(update(Work).values(check_at=func.now() - timedelta(seconds=1)))
        assert await _reconciler(db, _progress()).run_once() == 0
    assert len(await _commands(db)) == 1


async def test_a_stream_that_was_made_anew_is_refilled_at_once(db: Database) -> None:
    await _work(db, 30, published=5, due=False)
    reconciler = _reconciler(db, _progress(delivered=0, pending=30))
    assert await reconciler.run_once() == 0
    assert await _reconciler(db, _progress(created=datetime(2999, 1, 1, tzinfo=UTC))).run_once() == 30


async def test_one_acts_at_a_time(db: Database) -> None:
    await _work(db, 20)
    counts = await asyncio.gather(*(_reconciler(db, _progress()).run_once() for _ in range(4)))
    assert sum(counts) == 20


async def test_without_nats_nothing_is_guessed(db: Database) -> None:
    await _work(db, published=5)

    async def unknown() -> WorkProgress:
        raise BusUnavailable("away")

    with pytest.raises(BusUnavailable):
        await Reconciler(Messenger(db, NoRelay()), unknown).run_once()
    assert await _commands(db) == []


async def test_unfinished_images_without_work_are_adopted(db: Database) -> None:
    for status, age in (("pending", 600), ("processing", 600), ("pending", 10), ("complete", 600), ("failed", 600)):
        image_id = new_id()
        async with db.transaction() as connection:
            row = {
                "id": image_id, "owner": "ann", "name": "a.jpg", "source": "upload", "sha256": str(image_id), "bytes": 1,
                "mime_type": "image/jpeg", "width": 1, "height": 1, "priority": "low", "processing_status": status,
            }  # fmt: skip
            assert await insert_image(connection, row)
            moment = func.now() - timedelta(seconds=age)
            await connection.execute(update(Image).where(Image.id == image_id).values(updated_at=moment))
    reconciler = _reconciler(db, _progress())
    assert await reconciler.run_once() == 2
    assert await _commands(db) == ["work.render.low"] * 2


async def test_a_hundred_thousand_lost_commands_among_a_million_take_minutes_not_hours(db: Database) -> None:
    """Ten thousand a minute are asked for; here it is a matter of seconds, and the index is what finds them."""
    async with db.transaction(statement_seconds=600) as connection:
        await connection.execute(
            text(
                "INSERT INTO work (kind, target, owner, subject, message_type, message_version, message_data, command_id, "
                "published_seq, published_at, check_at) "
                "SELECT 'render', id, 'ann', 'work.render.low', 'render.image', 1, '{}', id, "
                "CASE WHEN n % 50 = 0 THEN NULL ELSE n END, now(), "
                "now() + (CASE WHEN n % 50 = 0 THEN -1 ELSE 300 END) * interval '1 second' "
                # two million random ids would take most of the time
                "FROM (SELECT n, lpad(to_hex(n), 32, '0')::uuid AS id FROM generate_series(1, 1000000) n)"
            )
        )
        await connection.execute(text("ANALYZE work"))
    began = time.monotonic()
    assert await _reconciler(db, _progress(delivered=0, pending=10**6, last=10**6)).run_once() == 20_000
    seconds = time.monotonic() - began
    assert seconds < 120, f"20,000 of 1,000,000 took {seconds:.0f} s"
    async with db.transaction() as connection:
        plan = "\n".join(
            (
                await connection.execute(
                    text("EXPLAIN SELECT * FROM work WHERE check_at < now() ORDER BY check_at LIMIT 2000")
                )
            ).scalars()
        )
    assert "ix_work_check_at" in plan
