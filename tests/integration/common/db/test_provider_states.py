"""How long a budget is paused: longer with each failure in a row, whatever the provider asks for."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from heliograph_common.db import provider_states
from heliograph_common.db.engine import Database
from heliograph_common.db.provider_states import FIRST_PAUSE, LONGEST_PAUSE

FIRST, LONGEST = FIRST_PAUSE.total_seconds(), LONGEST_PAUSE.total_seconds()


async def pause(db: Database, seconds: float | None) -> float:
    """How long the budget is paused for a request that failed after the last pause."""
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE provider_states SET paused_until = now()"))
        paused = await provider_states.pause(connection, "shelf", reason="away", seconds=seconds)
    return paused.total_seconds()


@pytest.mark.parametrize("asked", [None, 0.0, 0.005, 1.0])
async def test_pauses_grow_with_failures_in_a_row(db: Database, asked: float | None) -> None:
    found = [await pause(db, asked) for _ in range(12)]
    assert found == [min(FIRST * 2**failures, LONGEST) for failures in range(12)]

    async with db.transaction() as connection:
        await connection.execute(text("UPDATE provider_states SET paused_until = now()"))
        await provider_states.resume(connection, "shelf")
    assert await pause(db, asked) == FIRST


async def test_a_provider_is_left_alone_for_as_long_as_it_asks(db: Database) -> None:
    assert [await pause(db, 10.0) for _ in range(4)] == [10.0, 10.0, 10.0, 16.0]
    assert await pause(db, 3_600.0) == 3_600.0


async def test_what_fails_during_a_pause_makes_it_no_longer(db: Database) -> None:
    await pause(db, 60.0)
    async with db.transaction() as connection:
        for seconds in (None, 0.0, 30.0):
            paused = await provider_states.pause(connection, "shelf", reason="away", seconds=seconds)
            assert 30.0 < paused.total_seconds() <= 60.0
        assert (await provider_states.state_of(connection, "shelf")).failing
    assert await pause(db, 0.0) == 2 * FIRST
