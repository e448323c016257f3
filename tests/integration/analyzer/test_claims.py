"""What an attempt takes: nothing that another has, that is gone, or that cannot be done yet."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.integration.analyzer.support import Analyses
from tests.polling import until

from heliograph_analyzer.spending import queries as spending
from heliograph_analyzer.spending.budgets import Limits
from heliograph_common.errors import Stale
from heliograph_local.doubles.faults import Fault


async def change(world: Analyses, statement: str) -> None:
    """Runs a statement."""
    async with world.backbone.database.transaction() as connection:
        await connection.execute(text(statement))


async def test_an_attempt_that_was_taken_over_pays_for_nothing(world: Analyses) -> None:
    analysis_id = await world.asked(1)
    await change(world, "UPDATE analyses SET status = 'running', fence = 7")
    stalled = await world.row(analysis_id)
    await change(world, "UPDATE analyses SET fence = 8")
    with pytest.raises(Stale):
        async with world.backbone.database.transaction() as connection:
            await spending.begin(connection, stalled, model="m", pixel_hash="p", tokens=5_000, limits=Limits())
    assert await world.ledger() == []
    assert await world.charged() == 0


async def test_a_repair_is_not_asked_for_after_another_took_over(world: Analyses) -> None:
    world.double.behaviour.misbehave(Fault(kind="prose"), Fault(kind="slow", seconds=2))
    async with world.analyzer():
        await world.asked(1)
        await until(lambda: world.double.calls)
        await change(world, "UPDATE analyses SET fence = fence + 1")

        async def kept() -> bool:
            return [call.outcome for call in await world.ledger()] == ["answered"]

        await until(kept)
    assert len(world.double.calls) == 1
