"""How long the oldest analysis has been queued, which alerts look at."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, update
from tests.integration.analyzer.support import Analyses

from heliograph_analyzer.turns import queries
from heliograph_common.db.analysis_models import Analysis


async def _age(world: Analyses) -> float:
    async with world.backbone.database.transaction() as connection:
        return await queries.oldest_age(connection)


async def test_the_oldest_of_those_that_are_queued_counts(world: Analyses) -> None:
    assert await _age(world) == 0
    older, younger = [await world.asked(number, urgent=False) for number in (1, 2)]
    for analysis_id, hours in ((older, 5), (younger, 2)):
        async with world.backbone.database.transaction() as connection:
            requested = update(Analysis).where(Analysis.id == analysis_id)
            await connection.execute(requested.values(requested_at=func.now() - timedelta(hours=hours)))
    assert 5 * 3_600 <= await _age(world) < 6 * 3_600
    async with world.backbone.database.transaction() as connection:
        await connection.execute(update(Analysis).where(Analysis.id == older).values(status="completed"))
    assert 2 * 3_600 <= await _age(world) < 3 * 3_600
