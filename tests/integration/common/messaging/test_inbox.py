"""The inbox forgets what no redelivery can ask for any more, and nothing else."""

from __future__ import annotations

from sqlalchemy import func, select, text

from heliograph_common.db.engine import Database
from heliograph_common.db.message_models import InboxRow
from heliograph_common.messaging import inbox


async def test_all_that_is_old_is_forgotten_in_batches(db: Database) -> None:
    fill = text(
        "INSERT INTO inbox (consumer, message_id, processed_at) "
        "SELECT 'test', gen_random_uuid(), now() - n % 10 * interval '1 day' FROM generate_series(1, 120000) n"
    )
    async with db.transaction(statement_seconds=120) as connection:
        await connection.execute(fill)
    assert await inbox.forget_old(db) == 12_000 * 2  # of the ninth day, and of the eighth, which is over by now
    async with db.transaction() as connection:
        assert (await connection.execute(select(func.count()).select_from(InboxRow))).scalar_one() == 96_000
