"""What analyses wait for: credentials, rate limits, outages, budgets. None of these is an attempt, and all of them end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from tests.integration.analyzer.support import Analyses, digest
from tests.polling import until

from heliograph_analyzer.turns import queries as turns
from heliograph_analyzer.turns.dispatcher import Dispatcher
from heliograph_common.db import analyses, provider_states
from heliograph_common.db.analyses import BUDGET, Waiting
from heliograph_common.db.analysis_models import Analysis
from heliograph_gateway.images.queries import delete_image
from heliograph_local.doubles.addresses import OPENAI_KEY
from heliograph_local.doubles.faults import Fault


async def waiting_of(world: Analyses, analysis_id: object) -> Waiting | None:
    """What clients are told that an analysis waits for."""
    async with world.backbone.database.transaction() as connection:
        row = await analyses.find_analysis(connection, analysis_id)  # type: ignore[arg-type]
        assert row is not None
        return await analyses.waiting_of(connection, row)


async def configured(world: Analyses) -> bool:
    """What the other services know."""
    async with world.backbone.database.transaction() as connection:
        return await analyses.analysis_configured(connection)


async def test_without_a_key_work_waits_until_one_appears(world: Analyses, tmp_path: Path) -> None:
    file = tmp_path / "key"
    urgent, background = await world.asked(1), await world.asked(2, urgent=False)
    async with world.analyzer(key=None, key_file=file) as health:

        async def told() -> bool:
            return await waiting_of(world, urgent) == Waiting("missing credentials", None)

        await until(told)
        assert not await configured(world)
        assert await waiting_of(world, background) == Waiting("missing credentials", None)
        assert (await health.report()).checks["credentials"].detail == "missing credentials"
        assert world.double.calls == []

        file.write_text(f"{OPENAI_KEY}\n")
        rows = await world.ended(urgent, background)
        await until(lambda: configured(world))

    assert [(row.status, row.attempts) for row in rows] == [("completed", 0)] * 2


async def test_an_analyzer_without_a_key_takes_no_work_from_one_that_has_one(world: Analyses) -> None:
    async with world.analyzer(key=None), world.analyzer():
        rows = await world.ended(*[await world.asked(number) for number in range(12)])
    assert [(row.status, row.attempts) for row in rows] == [("completed", 0)] * 12
    assert {call.outcome for call in await world.ledger()} == {"answered"}


async def test_a_key_that_is_refused_waits_for_another(world: Analyses, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-wrong-key")
    async with world.analyzer(key=None, key_file=file):
        analysis_id = await world.asked(1)
        row = await world.waiting(analysis_id, "key")
        assert "sk-wrong" not in row.waiting_reason
        await until(lambda: not_configured(world))
        file.write_text(OPENAI_KEY)
        [row] = await world.ended(analysis_id)
    assert (row.status, row.attempts, row.calls) == ("completed", 0, 1)
    assert {call.outcome for call in await world.ledger()} == {"failed", "answered"}
    assert await world.charged() == row.input_tokens + row.output_tokens


async def not_configured(world: Analyses) -> bool:
    return not await configured(world)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(kind="rate_limited", retry_after=1.0), ""),
        (Fault(kind="rate_limited"), ""),
        (Fault(kind="error", status=500, times=2), "cannot be reached"),
    ],
)
async def test_a_model_that_is_away_pauses_all_and_costs_no_attempt(world: Analyses, fault: Fault, reason: str) -> None:
    world.double.behaviour.misbehave(fault)
    async with world.analyzer(slots=1):
        rows = await world.ended(*[await world.asked(number) for number in range(3)])
    assert [(row.status, row.attempts) for row in rows] == [("completed", 0)] * 3
    async with world.backbone.database.transaction() as connection:
        state = await provider_states.state_of(connection, BUDGET)
    assert reason in state.reason
    assert not state.paused


async def test_a_provider_that_asks_for_no_pause_is_not_asked_without_end(world: Analyses) -> None:
    world.double.behaviour.misbehave(Fault(kind="rate_limited", call="responses.create", retry_after=0, times=-1))
    async with world.analyzer(slots=1):
        await world.asked(1)

        async def failed_twice() -> bool:
            return len(await world.ledger()) >= 2

        await until(failed_twice)
        first, second = (call.began_at for call in (await world.ledger())[:2])
    assert second - first >= provider_states.FIRST_PAUSE


async def test_while_a_probe_fails_no_question_is_paid_for(world: Analyses) -> None:
    world.double.behaviour.misbehave(
        Fault(kind="cut_off", call="responses.create", times=-1), Fault(kind="error", call="models.retrieve", times=-1)
    )
    async with world.analyzer(slots=1):
        analysis_id = await world.asked(1)

        async def paused_again() -> bool:
            async with world.backbone.database.transaction() as connection:
                failures = (await connection.execute(text("SELECT failures FROM provider_states"))).scalar_one_or_none()
            return (failures or 0) >= 2

        await until(paused_again)
        assert sum(world.double.charged().values()) == 1
        world.double.behaviour.misbehave()
        [row] = await world.ended(analysis_id)
    assert (row.status, row.attempts) == ("completed", 0)


async def test_an_answer_that_breaks_off_is_an_attempt_and_stays_charged(world: Analyses) -> None:
    world.double.behaviour.misbehave(Fault(kind="cut_off"))
    async with world.analyzer():
        [row] = await world.ended(await world.asked(1))
    assert (row.status, row.attempts, row.calls) == ("completed", 1, 1)
    broken, answered = await world.ledger()
    assert (broken.outcome, answered.outcome) == ("unknown", "answered")
    assert await world.charged("ann") == broken.charged + answered.charged
    assert broken.charged >= sum(call.input_tokens + call.output_tokens for call in world.double.calls[:1])


async def test_while_calls_are_paused_nothing_is_asked(world: Analyses) -> None:
    async with world.backbone.database.transaction() as connection:
        await provider_states.pause(connection, BUDGET, reason="the model cannot be reached", seconds=60)
    async with world.analyzer():
        urgent, background = await world.asked(1), await world.asked(2, urgent=False)
        await world.no_work()
        waits = await waiting_of(world, urgent)
        assert waits is not None
        assert (waits.reason, waits.until is None) == ("the model cannot be reached", False)
        assert world.double.calls == []
        async with world.backbone.database.transaction() as connection:
            await connection.execute(text("UPDATE provider_states SET paused_until = now()"))
            await connection.execute(update(Analysis).values(not_before=None))
        rows = await world.ended(urgent, background)
    assert [row.status for row in rows] == ["completed"] * 2


async def test_a_question_that_fails_by_itself_ends(world: Analyses) -> None:
    world.double.behaviour.misbehave(
        Fault(kind="error", status=500, call="responses.create", times=-1, about=digest(1))
    )
    async with world.analyzer(max_attempts=2):
        bad, good = await world.asked(1), await world.asked(2)
        rows = await world.ended(bad, good)
    assert [row.status for row in rows] == ["failed", "completed"]
    assert rows[0].error_code == "model_failed"
    assert rows[0].attempts == 1
    assert len([call for call in world.double.calls if call.picture == digest(1)]) <= 2


async def test_the_budget_of_an_owner_is_spent(world: Analyses) -> None:
    async with world.analyzer(owner_tokens_per_day=1):
        [first] = await world.ended(await world.asked(1))
        second = await world.asked(2)
        await world.waiting(second, "owner's daily token budget")
        [other] = await world.ended(await world.asked(3, owner="bob"))
        [known] = await world.ended(await world.asked(3, owner="cid"))
        waits = await waiting_of(world, second)
    assert [row.status for row in (first, other, known)] == ["completed"] * 3
    assert known.source == "cache"
    assert waits is not None
    assert "budget" in waits.reason
    assert waits.until is not None
    assert world.double.charged() == {digest(1): 1, digest(3): 1}

    async with world.backbone.database.transaction() as connection:  # the next day
        await connection.execute(text("UPDATE analysis_budgets SET day = day - 1"))
        await connection.execute(text("UPDATE provider_states SET paused_until = now()"))
        await connection.execute(update(Analysis).values(not_before=None))
    async with world.analyzer(owner_tokens_per_day=1):
        [second_row] = await world.ended(second)
    assert (second_row.status, second_row.attempts) == ("completed", 0)


async def test_the_budget_of_the_installation_is_spent(world: Analyses) -> None:
    async with world.analyzer(installation_tokens_per_day=1, slots=4):
        asked = [await world.asked(number, owner=f"owner-{number}") for number in range(4)]

        async def one_done() -> bool:
            rows = [await world.row(each) for each in asked]
            return sorted(row.status for row in rows) == ["completed", "queued", "queued", "queued"]

        await until(one_done)
        await world.no_work()
    assert sum(world.double.charged().values()) == 1
    reasons = {row.waiting_reason for row in [await world.row(each) for each in asked] if row.status == "queued"}
    assert reasons <= {"the installation's daily token budget is spent", None}


async def test_what_waits_for_too_long_fails(world: Analyses) -> None:
    analysis_id = await world.asked(1, urgent=False)
    async with world.backbone.database.transaction() as connection:
        await connection.execute(text("UPDATE analyses SET requested_at = now() - interval '31 days'"))
    dispatcher = Dispatcher(world.backbone.messenger, window=2, longest=timedelta(days=30))
    assert await dispatcher.sweep() == 1
    row = await world.row(analysis_id)
    assert (row.status, row.error_code) == ("failed", "expired")
    assert "request it again" in row.error
    [event] = await world.events(1, of="image.analysis_failed")
    assert event["code"] == "expired"


async def test_what_is_stuck_is_moved(world: Analyses) -> None:
    lost, unshown = await world.asked(1), await world.asked(2, shown=False)
    async with world.backbone.database.transaction() as connection:
        await connection.execute(text("DELETE FROM work"))
        await connection.execute(
            text("UPDATE analyses SET sent_at = now() - interval '2 minutes' WHERE sent_at IS NOT NULL")
        )
        await connection.execute(text("UPDATE analyses SET requested_at = now() - interval '10 minutes'"))
    async with world.analyzer():
        [row] = await world.ended(lost)
        asked = await world.backbone.bus.jetstream.get_last_msg("WORK", "work.render.low")
    assert row.status == "completed"
    assert str((await world.row(unshown)).image_id).encode() in (asked.data or b"")


async def test_owners_take_turns(world: Analyses) -> None:
    many = [await world.asked(number, owner="many", urgent=False) for number in range(30)]
    one = await world.asked(40, owner="one", urgent=False)
    world.double.behaviour.misbehave(Fault(kind="slow", seconds=0.05, times=-1))
    async with world.analyzer(window=4, slots=2):
        await world.ended(*many, one)
    order = [call.picture for call in world.double.calls]
    assert order.index(digest(40)) < 8


async def test_analyses_of_deleted_images_hold_no_places(world: Analyses) -> None:
    gone = [await world.image(number, owner=owner) for owner in ("ann", "cid") for number in (1, 2)]
    for image_id in gone:
        await world.ask(image_id)
        async with world.backbone.database.transaction() as connection:
            await delete_image(connection, image_id)
    async with world.analyzer(window=2):
        [row] = await world.ended(await world.asked(9, owner="bob", urgent=False))
        await world.no_work()
    assert row.status == "completed"
    assert world.double.charged() == {digest(9): 1}


async def test_what_is_urgent_takes_no_places_of_others(world: Analyses) -> None:
    world.double.behaviour.misbehave(Fault(kind="slow", seconds=0.3, times=-1))
    urgent = [await world.asked(number, owner="ann") for number in range(12)]
    one = await world.asked(40, owner="bob", urgent=False)
    async with world.analyzer(window=2, slots=2):

        async def sent() -> bool:
            return (await world.row(one)).sent_at is not None

        await until(sent)
        unfinished = [row for row in [await world.row(each) for each in urgent] if row.completed_at is None]
        assert len(unfinished) > 4
        await world.ended(one, *urgent)


async def test_what_was_begun_meanwhile_does_not_expire(world: Analyses) -> None:
    analysis_id = await world.asked(1, urgent=False)
    row = await world.row(analysis_id)
    async with world.backbone.database.transaction() as connection:
        await connection.execute(text("UPDATE analyses SET status = 'running'"))
    async with world.backbone.database.transaction() as connection:
        assert await turns.fail(connection, row, code="expired", reason="late") is None
    assert (await world.row(analysis_id)).status == "running"
