"""What clients ask for with their pictures: a priority, which whoever has many waiting does not get; an analysis; a name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from tests.integration.gateway.analyses.support import analysis_rows, conclude, show
from tests.integration.gateway.support import Gateway, change, count, problem, running, upload

from heliograph_common.bus.connection import Bus
from heliograph_common.clock import utc_now
from heliograph_common.contracts.envelope import body_of, decode
from heliograph_common.contracts.messages import ImageStored
from heliograph_common.db.engine import Database
from heliograph_gateway.catalog.schemas import ImageShape
from heliograph_gateway.settings import GatewaySettings

Picture = Callable[..., bytes]


@pytest.fixture
async def gateway(gateway_settings: GatewaySettings, bus: Bus) -> AsyncIterator[Gateway]:
    """A gateway at which two pictures of an owner may wait before the next are low."""
    limits = gateway_settings.limits.model_copy(update={"waiting_before_low": 2})
    async with running(gateway_settings.model_copy(update={"limits": limits})) as found:
        yield found


def priorities(image: dict[str, Any]) -> tuple[str, str | None]:
    ImageShape.model_validate(image)
    assert (image["notice"] is not None) == (image["requested_priority"] is not None)
    return image["priority"], image["requested_priority"]


async def last(bus: Bus, stream: str, subject: str) -> Any:
    message = await bus.jetstream.get_last_msg(stream, subject)
    return decode(message.data or b"")


# -- priority ----------------------------------------------------------------------------------------------------------


async def test_whoever_has_many_waiting_gets_low_and_is_told(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, bus: Bus, picture: Picture
) -> None:
    asked = ["normal", "low", "normal", "normal", "high", "low"]
    images = [await upload(ann, picture(seed=n), priority=priority) for n, priority in enumerate(asked)]
    bobs = await upload(bob, picture())

    assert [priorities(image) for image in images] == [
        ("normal", None), ("low", None), ("normal", None), ("low", "normal"), ("low", "high"), ("low", None),
    ]  # fmt: skip
    assert priorities(bobs) == ("normal", None)
    assert "Queued at priority `low` instead of `high`" in images[4]["notice"]
    assert (await ann.get(f"/v1/images/{images[4]['id']}")).json() == images[4]
    assert await count(bus, "WORK", "work.render.low", expected=4) == 4
    assert await count(bus, "WORK", "work.render.normal", expected=3) == 3
    assert await count(bus, "EVENTS", "events.image.stored", expected=7) == 7
    stored = [
        body_of(decode((await bus.jetstream.get_msg("EVENTS", seq)).data or b""), ImageStored) for seq in range(1, 8)
    ]
    told = {str(event.image_id): event.priority for event in stored}
    assert [told[image["id"]] for image in [*images, bobs]] == [
        "normal",
        "low",
        "normal",
        "low",
        "low",
        "low",
        "normal",
    ]


async def test_only_what_waits_is_counted(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    images = [await upload(ann, picture(seed=n)) for n in range(6)]
    assert priorities(images[-1]) == ("low", "normal")
    for image, status in zip(images, ("processing", "complete", "failed"), strict=False):
        await change(db, image["id"], processing_status=status)
    await change(db, images[3]["id"], deleted_at=utc_now())

    assert priorities(await upload(ann, picture(seed=7))) == ("normal", None)
    assert priorities(await upload(ann, picture(seed=8))) == ("low", "normal")
    assert (await upload(ann, picture(seed=7), priority="high"))["priority"] == "normal"  # it is there already


async def test_files_of_one_request_are_judged_one_by_one(ann: httpx2.AsyncClient, picture: Picture) -> None:
    await upload(ann, picture(seed=9))
    files = [("file", (f"{seed}.png", picture(seed=seed), "image/png")) for seed in range(3)]
    answer = await ann.post("/v1/images?priority=high", files=files)

    entries = answer.json()["images"]
    assert [priorities(entry["image"]) for entry in entries] == [("high", None), ("high", None), ("low", "high")]


async def test_a_retry_asks_again_for_what_was_asked(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    images = [await upload(ann, picture(seed=n), priority="high") for n in range(4)]
    lowered = images[-1]
    path = f"/v1/images/{lowered['id']}"
    await change(db, lowered["id"], processing_status="failed", processing_error="crashed")
    shown = (await ann.get(path)).json()
    with_backlog = (await ann.post(f"{path}/retry")).json()
    await change(db, lowered["id"], processing_status="failed", processing_error="crashed")
    await change(db, images[0]["id"], processing_status="complete")
    alone = (await ann.post(f"{path}/retry")).json()

    assert (shown["priority"], shown["requested_priority"], shown["notice"]) == ("low", "high", None)
    assert priorities(with_backlog) == ("low", "high")
    assert priorities(alone) == ("high", None)
    assert await count(bus, "WORK", "work.render.low", expected=2) == 2
    assert await count(bus, "WORK", "work.render.high", expected=4) == 4


# -- analysis ----------------------------------------------------------------------------------------------------------


async def test_an_analysis_is_asked_for_with_the_upload(
    ann: httpx2.AsyncClient, bus: Bus, db: Database, picture: Picture
) -> None:
    plain = await upload(ann, picture(seed=1))
    asked = await upload(ann, picture(seed=2), analyze="food")
    files = {"file": ("a.png", picture(seed=3), "image/png")}
    field = (await ann.post("/v1/images", files=files, data={"analyze": "describe"})).json()

    assert (plain["stages"]["analysis"], plain["progress"]) == (None, 20)
    assert (asked["stages"]["analysis"], asked["progress"]) == ("pending", 16)
    assert field["stages"]["analysis"] == "pending"
    async with db.transaction() as connection:
        statement = "SELECT analysis_profile, analysis_status FROM images ORDER BY id"
        rows = [tuple(row) for row in (await connection.exec_driver_sql(statement)).all()]
    assert rows == [(None, None), ("food", "pending"), ("describe", "pending")]
    assert await count(bus, "EVENTS", "events.image.stored", expected=3) == 3
    stored = body_of(await last(bus, "EVENTS", "events.image.stored"), ImageStored)
    assert (stored.stages.analysis, stored.progress) == ("pending", 16)
    assert await count(bus, "WORK", "work.analyze.*", expected=0) == 0  # there is nothing to look at yet


async def test_a_profile_that_there_is_not(ann: httpx2.AsyncClient, picture: Picture) -> None:
    for value in ("fod", "Food", "food,describe", "*", "a.b", " "):
        answer = await ann.post("/v1/images", params={"analyze": value}, content=picture(), headers=PNG)
        assert answer.status_code == 400, value
        said = problem(answer, "invalid-parameter")
        assert "describe, food" in said["detail"]
        assert said["errors"][0]["parameter"] == "analyze"
    files = {"file": ("a.png", picture(), "image/png")}
    problem(await ann.post("/v1/images", files=files, data={"analyze": "fod"}), "invalid-parameter")
    assert (await upload(ann, picture(), analyze=""))["stages"]["analysis"] is None


async def test_without_profiles_nothing_can_be_asked_for(
    gateway_settings: GatewaySettings, bus: Bus, picture: Picture
) -> None:
    own = gateway_settings.gateway.model_copy(update={"analysis_profiles": []})
    async with running(gateway_settings.model_copy(update={"gateway": own})) as plain, plain.client() as ann:
        answer = await ann.post("/v1/images?analyze=food", content=picture(), headers=PNG)
    assert answer.status_code == 400
    assert "this installation has no analysis profiles" in problem(answer, "invalid-parameter")["detail"]


async def test_an_analysis_asked_for_when_the_bytes_come_again(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    waiting = await upload(ann, picture(seed=1))
    again = await upload(ann, picture(seed=1), analyze="food")
    rendered = await upload(ann, picture(seed=2))
    await change(
        db, rendered["id"], processing_status="complete", thumbnail_status="complete", variant_status="complete"
    )
    assert await count(bus, "WORK", "work.render.normal", expected=2) == 2
    asked = await upload(ann, picture(seed=2), analyze="food")
    for _ in range(2):
        assert await upload(ann, picture(seed=2), analyze="food") == asked
        assert await upload(ann, picture(seed=2)) == asked

    assert again["id"] == waiting["id"]
    assert again["stages"]["analysis"] == "pending"
    assert (asked["id"], asked["stages"]["analysis"], asked["progress"]) == (rendered["id"], "pending", 80)
    assert await count(bus, "WORK", "work.render.normal", expected=3) == 3, "rendered for the model"
    rows = await analysis_rows(db)
    assert [(str(row.image_id), row.owner, row.profile) for row in rows] == [
        (waiting["id"], "ann", "food"), (rendered["id"], "ann", "food"),
    ]  # fmt: skip
    assert {(row.urgent, row.ready_at, row.sent_at) for row in rows} == {(False, None, None)}

    await conclude(db, str(rows[1].id))
    assert (await upload(ann, picture(seed=2), analyze="food"))["stages"]["analysis"] == "complete"
    await conclude(db, str(rows[1].id), status="failed", result=None)
    await show(db, rendered["id"])
    assert (await upload(ann, picture(seed=2), analyze="food"))["stages"]["analysis"] == "pending"
    assert (await upload(ann, picture(seed=2), analyze="describe"))["stages"]["analysis"] == "pending"
    shown = [row for row in await analysis_rows(db) if str(row.image_id) == rendered["id"]]
    assert [(row.profile, row.ready_at is not None, row.sent_at) for row in shown] == [
        ("food", True, None), ("describe", True, None),
    ]  # fmt: skip
    assert await count(bus, "WORK", "work.analyze.*", expected=0) == 0, "the analyzer sends them in their turns"


# -- name --------------------------------------------------------------------------------------------------------------

PNG = {"Content-Type": "image/png"}


async def test_a_name_for_the_only_file(ann: httpx2.AsyncClient, picture: Picture) -> None:
    def form(*parts: tuple[str, str | int]) -> list[tuple[str, Any]]:
        """Parts in their order: fields, and files named ``<seed>.png``."""
        return [
            (name, (None, value) if isinstance(value, str) else (f"{value}.png", picture(seed=value), "image/png"))
            for name, value in parts
        ]

    before = await ann.post("/v1/images", files=form(("name", "Möwe.png"), ("file", 1)))
    after = await ann.post("/v1/images", files=form(("file", 2), ("name", "../../b.png")))
    query = await ann.post("/v1/images?name=c.png", files=form(("file", 3)))
    two = await ann.post("/v1/images", files=form(("name", "d.png"), ("file", 4), ("file", 5)))
    late = await ann.post("/v1/images", files=form(("file", 6), ("file", 7), ("name", "e.png")))

    assert [answer.json()["name"] for answer in (before, after, query)] == ["Möwe.png", "b.png", "c.png"]
    outcomes = [[(entry["name"], entry["status"]) for entry in answer.json()["images"]] for answer in (two, late)]
    assert outcomes == [[("4.png", 201), ("", 400)], [("6.png", 201), ("7.png", 201), ("", 400)]]
    assert two.json()["images"][0]["image"]["name"] == "d.png"
    assert "Only supported with one file" in two.json()["images"][1]["problem"]["detail"]
