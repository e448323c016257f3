"""``POST /analyze-food`` of the older food service: its shapes, its three refusals, and the diary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from tests.contracts import compat
from tests.integration.gateway.analyses.support import MEAL, NO_MEAL, analysis_rows, analyzer, configure
from tests.integration.gateway.support import Gateway, problem, running, upload

from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_gateway.compat.schemas import OldFood
from heliograph_gateway.settings import FoodSettings, GatewaySettings
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.user_service import TOKEN, UserServiceDouble

Picture = Callable[..., bytes]
GOOD = {"food": {"result": MEAL}}
SAVE = {"save": "true"}


async def eat(client: httpx2.AsyncClient, data: bytes, part: str = "image", **query: str) -> httpx2.Response:
    return await client.post("/analyze-food", files={part: ("meal.png", data, "image/png")}, params=query)


def refused(answer: httpx2.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    said = problem(answer, slug)
    assert said["error"] == said["detail"]
    return said


@pytest.fixture
async def double() -> UserServiceDouble:
    """A user service that checks what it gets."""
    return UserServiceDouble()


@pytest.fixture
async def gateway(gateway_settings: GatewaySettings, bus: Bus, double: UserServiceDouble) -> AsyncIterator[Gateway]:
    """A gateway with a user service, which waits two seconds for an analysis."""
    async with served(double.app) as url:
        food = FoodSettings(
            wait_seconds=2, user_service_url=url, user_service_token=SecretStr(TOKEN), user_service_seconds=1
        )
        async with running(gateway_settings.model_copy(update={"food": food})) as found:
            yield found
    assert double.behaviour.violations == []


async def test_a_meal(ann: httpx2.AsyncClient, db: Database, double: UserServiceDouble, picture: Picture) -> None:
    async with analyzer(db, GOOD):
        answers = [await eat(ann, picture(seed=1), **query) for query in ({}, {"save": "false"}, SAVE, SAVE)]
        fresh = await eat(ann, picture(seed=2), **SAVE, other="1")

    for answer, name in zip(
        [*answers, fresh], ("api", "cache", "cache_saved", "cache_saved", "api_saved"), strict=True
    ):
        assert answer.status_code == 200, answer.text
        OldFood.model_validate_json(answer.content)
        compat.check(f"food_{name}", answer.json())
    ids = {answer.json()["analysis"]["entryId"] for answer in (*answers[2:], fresh)}
    assert ids == double.entries.keys()
    assert len(ids) == 2
    assert {entry.owner for entry in double.entries.values()} == {"ann"}


async def test_what_another_picture_told_is_of_the_cache(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    async with analyzer(db, {"food": {"result": MEAL, "source": "cache", "calls": 0}}):
        assert (await eat(ann, picture())).json()["source"] == "cache"


async def test_nothing_edible_is_told_and_not_saved(
    ann: httpx2.AsyncClient, db: Database, double: UserServiceDouble, picture: Picture
) -> None:
    async with analyzer(db, {"food": {"result": NO_MEAL}}):
        answer = await eat(ann, picture(), **SAVE)
    assert answer.status_code == 200
    compat.check("food_nothing_edible", answer.json())
    assert double.entries == {}


async def test_what_was_sent_wrong(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    await configure(db)
    for answer, slug in (
        (await eat(ann, picture(), part="file"), "missing-file"),
        (await eat(ann, b"no picture"), "unsupported-image"),
        (await eat(ann, b""), "empty-image"),
        (await eat(ann, picture()[:40]), "bad-image"),
        (
            await ann.post("/analyze-food", content=picture(), headers={"Content-Type": "image/png"}),
            "invalid-multipart",
        ),
        (await ann.post("/analyze-food"), "invalid-multipart"),
        (await eat(ann, picture(), save="maybe"), "invalid-parameter"),
    ):
        refused(answer, 400, slug)
    compat.check("food_no_image", (await eat(ann, picture(), part="file")).json())
    two = [("image", ("a.png", picture(seed=1))), ("image", ("b.png", picture(seed=2)))]
    refused(await ann.post("/analyze-food", files=two), 400, "too-many-files")
    assert await analysis_rows(db) == []


async def test_without_a_token(gateway: Gateway, picture: Picture) -> None:
    for token in ("", "made up"):
        async with gateway.client(token=token) as anyone:
            refused(await eat(anyone, picture()), 401, "unauthenticated")


async def test_without_credentials(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    said = refused(await eat(ann, picture()), 500, "analysis-unavailable")
    assert "missing credentials" in said["error"]
    assert await analysis_rows(db) == []
    assert (await ann.get("/v1/images")).json()["images"] == []


async def test_a_model_that_fails_or_takes_too_long(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    failed = {"status": "failed", "result": None, "error_code": "refused", "error": "the model declined to answer"}
    async with analyzer(db, {"food": failed}):
        said = refused(await eat(ann, picture(seed=1)), 500, "analysis-failed")
    assert "declined to answer" in said["error"]
    started = time.monotonic()
    said = refused(await eat(ann, picture(seed=2)), 500, "analysis-failed")
    assert "Send the request again" in said["error"]
    assert time.monotonic() - started >= 2
    async with analyzer(db, GOOD):
        waiting = eat(ann, picture(seed=2))
        assert (await waiting).status_code == 200


async def test_an_image_that_cannot_be_rendered(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    failed = {
        "status": "failed",
        "result": None,
        "error_code": "image_failed",
        "error": "the image could not be rendered",
    }
    async with analyzer(db, {"food": failed}):
        assert "rendered" in refused(await eat(ann, picture()), 500, "analysis-failed")["error"]


async def test_a_user_service_that_fails(
    ann: httpx2.AsyncClient, db: Database, double: UserServiceDouble, picture: Picture
) -> None:
    async with analyzer(db, GOOD):
        double.behaviour.misbehave(Fault(kind="error", status=503, times=-1))
        said = refused(await eat(ann, picture(), **SAVE), 500, "user-service-failed")
        assert "503" in said["error"]
        assert len(double.behaviour.asked) == 3
        assert (await eat(ann, picture())).status_code == 200, "without save nobody asks it"
        double.behaviour.misbehave()
        saved = await eat(ann, picture(), **SAVE)
    assert saved.status_code == 200
    assert list(double.entries) == [saved.json()["analysis"]["entryId"]]


async def test_a_slow_user_service_is_not_waited_for(
    ann: httpx2.AsyncClient, db: Database, double: UserServiceDouble, picture: Picture
) -> None:
    async with analyzer(db, GOOD):
        double.behaviour.misbehave(Fault(kind="slow", seconds=600.0, times=-1))
        async with asyncio.timeout(60):
            refused(await eat(ann, picture(), **SAVE), 500, "user-service-failed")


async def test_the_same_meal_by_v1(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image = await upload(ann, picture(), analyze="food")
    async with analyzer(db, GOOD):
        assert (await eat(ann, picture())).status_code == 200
    found = (await ann.get(f"/v1/images/{image['id']}/analyses")).json()["analyses"]
    assert [(each["profile"], each["status"]) for each in found] == [("food", "completed")]
