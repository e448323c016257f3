"""What an attempt takes: nothing that another has, that is gone, or that cannot be done yet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.integration.analyzer.support import Analyses
from tests.polling import until

from heliograph_analyzer.spending import queries as spending
from heliograph_analyzer.spending.budgets import Limits
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import AnalyzeImage, RenderImage
from heliograph_common.db import provider_states, work
from heliograph_common.db.analyses import BUDGET
from heliograph_common.errors import Stale
from heliograph_local.doubles.faults import Fault


async def change(world: Analyses, statement: str) -> None:
    """Runs a statement."""
    async with world.backbone.database.transaction() as connection:
        await connection.execute(text(statement))


async def scalar(world: Analyses, query: str) -> Any:
    """What a query gives."""
    async with world.backbone.database.transaction() as connection:
        return (await connection.execute(text(query))).scalar()


async def send(world: Analyses, image_id: UUID, *, analysis_id: UUID | None = None) -> None:
    """Sends a command; without ``analysis_id``, as the version before did."""
    command = AnalyzeImage(image_id=image_id, profile="describe", analysis_id=analysis_id)
    async with world.backbone.messenger.transaction() as transaction:
        await transaction.request(subjects.analyze("describe"), command, owner="ann")


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


async def test_the_analysis_of_a_deleted_image_ends(world: Analyses) -> None:
    analysis_id = await world.asked(1)
    await change(world, "UPDATE images SET deleted_at = now()")
    async with world.analyzer():
        [row] = await world.ended(analysis_id)
        await world.no_work()
    assert (row.status, row.error_code) == ("failed", "image_deleted")
    assert row.completed_at is not None
    assert world.double.calls == []


async def test_an_image_deleted_while_the_model_is_asked_ends_its_analysis(world: Analyses) -> None:
    world.double.behaviour.misbehave(Fault(kind="slow", seconds=2))
    async with world.analyzer():
        analysis_id = await world.asked(1)
        await until(lambda: world.double.calls)
        await change(world, "UPDATE images SET deleted_at = now()")
        [row] = await world.ended(analysis_id)
    assert (row.status, row.error_code) == ("failed", "image_deleted")


@pytest.mark.parametrize("work_is_known", [True, False])
async def test_a_command_of_the_version_before_makes_its_analysis(world: Analyses, work_is_known: bool) -> None:
    image_id = await world.image(1, analysis_status="pending")
    await send(world, image_id)
    if not work_is_known:
        await change(world, "DELETE FROM work")
    async with world.analyzer():
        made = await until(lambda: scalar(world, "SELECT id FROM analyses"))
        [row] = await world.ended(made)
    assert (row.status, row.profile, row.owner, row.image_id) == ("completed", "describe", "ann", image_id)
    image = await world.image_row(image_id)
    assert (image.analysis_status, image.analysis_profile) == ("complete", "describe")


async def test_a_command_of_the_version_before_can_wait_for_its_turn(world: Analyses) -> None:
    world.double.behaviour.misbehave(Fault(kind="cut_off"))
    await send(world, await world.image(1, analysis_status="pending"))
    async with world.analyzer():
        made = await until(lambda: scalar(world, "SELECT id FROM analyses"))
        [row] = await world.ended(made)
    assert (row.status, row.attempts) == ("completed", 1)


async def test_the_work_of_rendering_is_locked_before_the_image(world: Analyses) -> None:
    """As thumbnailers do: in the other order, each waits for what the other has."""
    image_id = await world.image(1, shown=False)
    analysis_id = await world.ask(image_id)
    await change(world, "UPDATE analyses SET ready_at = now(), sent_at = now()")
    await send(world, image_id, analysis_id=analysis_id)
    async with world.analyzer():
        async with world.backbone.database.transaction() as thumbnailer:
            await work.lock(thumbnailer, RenderImage.kind, image_id)
            waits = "wait_event_type = 'Lock' AND datname = current_database()"
            await until(lambda: scalar(world, f"SELECT count(*) FROM pg_stat_activity WHERE {waits}"))  # noqa: S608
            await thumbnailer.execute(text("SELECT id FROM images FOR UPDATE NOWAIT"))
        await world.no_work()
    row = await world.row(analysis_id)
    assert (row.status, row.ready_at, row.sent_at) == ("queued", None, None)


async def test_what_is_known_is_answered_while_calls_are_paused(world: Analyses) -> None:
    async with world.analyzer():
        await world.ended(await world.asked(1))
        async with world.backbone.database.transaction() as connection:
            await provider_states.pause(connection, BUDGET, reason="the model cannot be reached", seconds=60)
        [known] = await world.ended(await world.asked(1, owner="bob"))
        unknown = await world.waiting(await world.asked(2), "the model cannot be reached")
        paused_until = await scalar(world, "SELECT paused_until FROM provider_states")
    assert (known.status, known.source) == ("completed", "cache")
    assert (unknown.not_before, unknown.attempts, unknown.sent_at) == (paused_until, 0, None)
    assert len(world.double.calls) == 1


async def test_an_unknown_profile_waits_for_newer_analyzers_and_fails_then(world: Analyses) -> None:
    async with world.analyzer():
        analysis_id = await world.asked(1, "poetry")
        waiting = await world.waiting(analysis_id, "no such profile")
        assert waiting.not_before - waiting.requested_at >= timedelta(seconds=30)
        await change(world, "UPDATE analyses SET requested_at = now() - interval '11 minutes', not_before = NULL")
        [row] = await world.ended(analysis_id)
    assert (row.status, row.error_code, row.attempts) == ("failed", "unknown_profile", 0)
    assert "describe, food" in row.error
    assert world.double.calls == []


async def test_an_image_says_nothing_new_while_another_asks_about_its_pixels(world: Analyses) -> None:
    world.double.behaviour.misbehave(Fault(kind="slow", seconds=4))
    async with world.analyzer():
        first = await world.asked(1)
        await until(lambda: world.double.calls)
        image_id = await world.image(1, owner="bob")
        second = await world.ask(image_id, urgent=True)
        before = await world.image_row(image_id)
        await world.ended(first, second)
    after = await world.image_row(image_id)
    assert after.revision - before.revision == 4  # two for each change: running, completed
    assert len(world.double.calls) == 1


async def test_the_longer_another_asks_the_later_an_analysis_comes_again(world: Analyses) -> None:
    async with world.analyzer():
        await world.ended(await world.asked(1))
        await change(
            world,
            "UPDATE analysis_results SET result = NULL, answered_at = NULL, holder = gen_random_uuid(), "
            "leased_until = now() + interval '100 seconds'",
        )
        analysis_id = await world.asked(1, owner="bob")

        async def put_back() -> Any:
            row = await world.row(analysis_id)
            return row if row.not_before is not None else None

        row = await until(put_back)
    assert (row.status, row.sent_at, row.started_at) == ("queued", None, None)
    assert timedelta(seconds=14) < row.not_before - row.requested_at < timedelta(seconds=60)
