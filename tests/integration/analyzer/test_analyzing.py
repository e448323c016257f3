"""What becomes of analyses: results, what images tell of them, events, what they cost, and what is asked only once."""

from __future__ import annotations

import pytest
from tests.integration.analyzer.support import Analyses, digest

from heliograph_local.doubles.faults import Fault, Kind


@pytest.mark.parametrize("urgent", [True, False])
@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_an_image_is_described(world: Analyses, urgent: bool, api: str) -> None:
    image_id = await world.image(1)
    async with world.analyzer(openai={"api": api}):
        analysis_id = await world.ask(image_id, urgent=urgent)
        [row] = await world.ended(analysis_id)
    image = await world.image_row(image_id)
    [event] = await world.events(1)

    assert (row.status, row.source, row.model, row.detail, row.calls) == ("completed", "api", "gpt-4.1-mini", "high", 1)
    assert row.result["caption"].startswith("Made up")
    assert (image.caption, image.alt_text) == (row.result["caption"], row.result["altText"])
    assert image.tags == [tag.lower() for tag in row.result["tags"]]
    assert image.analysis_status == "complete"
    assert event["analysis_id"] == str(analysis_id)
    assert (event["result"], event["source"], event["progress"]) == (row.result, "api", 100)
    assert event["revision"] <= image.revision
    [call] = await world.ledger()
    assert (call.outcome, call.charged) == ("answered", row.input_tokens + row.output_tokens)
    assert await world.charged() == await world.charged("ann") == call.charged
    [used] = await world.usage()
    assert (used.calls, used.cache_hits, used.input_tokens, used.cost_micros) == (
        1,
        0,
        row.input_tokens,
        row.cost_micros,
    )
    assert row.cost_micros == round(row.input_tokens * 0.4 + row.output_tokens * 1.6)
    await world.no_work()


async def test_several_profiles_of_one_image(world: Analyses) -> None:
    image_id = await world.image(1)
    async with world.analyzer():
        both = [await world.ask(image_id, profile, urgent=True) for profile in ("describe", "food")]
        described, eaten = await world.ended(*both)
    image = await world.image_row(image_id)
    assert {"name", "calories", "protein", "carbs", "fat", "servingSize", "ingredients", "confidence"} <= set(
        eaten.result
    )
    assert image.analysis_status == "complete"
    assert image.alt_text == described.result["altText"]
    assert {tag.lower() for tag in described.result["tags"]} <= set(image.tags)


async def test_ten_of_the_same_pixels_at_once_cost_one_call(world: Analyses) -> None:
    images = [await world.image(7, owner=f"owner-{n}") for n in range(10)]
    world.double.behaviour.misbehave(Fault(kind="slow", seconds=0.5, times=-1))
    async with world.analyzer(slots=4), world.analyzer(slots=4):
        asked = [await world.ask(image_id, "food", urgent=True) for image_id in images]
        rows = await world.ended(*asked)

    assert world.double.charged() == {digest(7): 1}
    assert sorted(row.source for row in rows) == ["api", *["cache"] * 9]
    assert len({str(row.result) for row in rows}) == 1
    assert sum(row.calls for row in rows) == 1
    assert sum(row.cost_micros for row in rows) > 0
    used = await world.usage()
    assert (sum(row.calls for row in used), sum(row.cache_hits for row in used)) == (1, 9)
    assert len(await world.ledger()) == 1


async def test_what_is_known_is_not_asked_again(world: Analyses) -> None:
    async with world.analyzer():
        [first] = await world.ended(await world.asked(1))
        [again] = await world.ended(await world.asked(1, owner="bob"))
        [closer] = await world.ended(await world.asked(1, "food", owner="bob"))
    async with world.analyzer(openai={"detail": "low"}):
        [low] = await world.ended(await world.asked(1, owner="cid"))

    assert [row.source for row in (first, again, closer, low)] == ["api", "cache", "api", "api"]
    assert (again.result, again.calls, again.cost_micros, again.input_tokens) == (first.result, 0, 0, 0)
    assert [call.detail for call in world.double.calls] == ["high", "high", "low"]


@pytest.mark.parametrize("kind", ["prose", "missing_key", "wrong_type", "empty", "too_long"])
async def test_an_answer_that_is_none_is_repaired_once(world: Analyses, kind: Kind) -> None:
    world.double.behaviour.misbehave(Fault(kind=kind))
    async with world.analyzer():
        [row] = await world.ended(await world.asked(1))
    assert (row.status, row.calls, row.source) == ("completed", 2, "api")
    assert len(await world.ledger()) == 2
    assert row.input_tokens == sum(call.input_tokens for call in world.double.calls)


@pytest.mark.parametrize(
    ("kind", "code", "calls"),
    [
        ("prose", "invalid_answer", 2),
        ("too_long", "answer_too_long", 2),
        ("refusal", "refused", 1),
        ("filtered", "refused", 1),
    ],
)
async def test_what_no_repair_mends_fails_and_can_be_asked_again(
    world: Analyses, kind: Kind, code: str, calls: int
) -> None:
    world.double.behaviour.misbehave(Fault(kind=kind, times=-1))
    image_id = await world.image(1)
    async with world.analyzer():
        analysis_id = await world.ask(image_id, urgent=True)
        [row] = await world.ended(analysis_id)
        same = await world.ended(await world.ask(await world.image(1, owner="bob"), urgent=True))
        image = await world.image_row(image_id)
        events = await world.events(2, of="image.analysis_failed")
        world.double.behaviour.misbehave()
        assert await world.ask(image_id, urgent=True) == analysis_id
        [mended] = await world.ended(analysis_id)

    assert (row.status, row.error_code, row.calls) == ("failed", code, calls)
    assert row.cost_micros > 0
    assert ":" in row.error
    assert image.analysis_status == "failed"
    assert (events[0]["code"], events[0]["reason"]) == (code, row.error)
    assert same[0].status == "failed"
    assert (mended.status, mended.error_code, mended.error) == ("completed", None, None)
    assert (await world.image_row(image_id)).analysis_status == "complete"


async def test_a_rendition_that_is_missing_is_asked_for(world: Analyses) -> None:
    image_id = await world.image(1, shown=False)
    analysis_id = await world.ask(image_id, urgent=True)
    row = await world.row(analysis_id)
    assert (row.status, row.ready_at, row.sent_at) == ("queued", None, None)
    message = await world.backbone.bus.jetstream.get_last_msg("WORK", "work.render.high")
    assert str(image_id).encode() in (message.data or b"")


async def test_an_object_that_is_lost_fails_the_analysis(world: Analyses) -> None:
    image_id = await world.image(1)
    row = await world.image_row(image_id)
    await world.backbone.blobs.delete(f"renditions/{row.sha256}/1/analysis.jpg")
    async with world.analyzer():
        [failed] = await world.ended(await world.ask(image_id, urgent=True))
    assert (failed.status, failed.error_code) == ("failed", "failed")
    assert "retry the image" in failed.error
