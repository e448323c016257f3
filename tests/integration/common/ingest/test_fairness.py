"""What it costs to know whether an owner has many pictures waiting: a few pages of one index, whatever the backlogs are and
whatever the statistics say of them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import statements
from heliograph_common.db.engine import Database
from heliograph_common.ingest.fairness import Granted, grant

BACKLOG = 5000
PAGES = 40
"""More than 101 rows are on, and far fewer than all that wait."""

_FILL = text("""
    INSERT INTO images (id, owner, name, source, sha256, bytes, mime_type, width, height, processing_status)
    SELECT CAST(substr(md5(CAST(:owner AS text) || :status), 1, 16) || lpad(to_hex(n), 16, '0') AS uuid),  -- in order
        CAST(:owner AS text), 'a', 'upload', :status || n::text, 1, 'image/png', 1, 1, CAST(:status AS text)
    FROM generate_series(1, CAST(:count AS int)) AS n""")


async def _fill(db: Database, owner: str, status: str, count: int) -> None:
    async with db.transaction() as connection:
        await connection.execute(_FILL, {"owner": owner, "status": status, "count": count})


async def _analyze(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(text("ANALYZE images"))


async def _pages(db: Database, owner: str) -> int:
    """How many pages of table and indexes the count reads."""
    bound = statements._WAITING.params(owner=owner, up_to=101)
    sql = str(bound.compile(db.engine.sync_engine, compile_kwargs={"literal_binds": True}))
    async with db.transaction() as connection:
        for _ in range(2):  # the first reader after a change marks what is dead
            found = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
            plan: dict[str, Any] = found.scalar_one()[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.parametrize("known", [True, False], ids=["statistics", "stale statistics"])
async def test_the_count_reads_little(known: bool, db: Database) -> None:
    for number in range(4):
        await _fill(db, f"other-{number}", "complete", BACKLOG)
    await _fill(db, "busy", "complete", BACKLOG)
    await _analyze(db)
    await _fill(db, "busy", "pending", BACKLOG)
    if known:
        await _analyze(db)

    for owner in ("busy", "other-1", "nobody"):
        assert await _pages(db, owner) < PAGES, owner
    async with db.transaction() as connection:
        found = [await statements.waiting(connection, owner, up_to=101) for owner in ("busy", "other-1", "nobody")]
    assert found == [101, 0, 0]


async def test_what_is_granted(db: Database) -> None:
    await _fill(db, "ann", "pending", 3)
    await _fill(db, "ann", "processing", 5)
    async with db.transaction() as connection:
        within = [await grant(connection, "ann", asked, before_low=3) for asked in Priority]
        beyond = [await grant(connection, "ann", asked, before_low=2) for asked in Priority]
        nothing_may_wait = await grant(connection, "bob", Priority.NORMAL, before_low=0)

    assert within == [Granted(asked) for asked in Priority]
    assert beyond == [
        Granted(Priority.LOW, requested=Priority.HIGH),
        Granted(Priority.LOW, requested=Priority.NORMAL),
        Granted(Priority.LOW),
    ]
    assert nothing_may_wait == Granted(Priority.NORMAL)
