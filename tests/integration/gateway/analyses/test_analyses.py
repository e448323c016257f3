"""``POST /v1/analyses`` and what it answers: at once, after a wait, when nobody can answer, and for whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from tests.integration.gateway.analyses.support import (
    DESCRIBED,
    analysis_rows,
    analyze,
    analyzer,
    conclude,
    configure,
    forget_credentials,
    pause,
    show,
)
from tests.integration.gateway.support import Gateway, change, count, problem, running, upload

from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_gateway.analyses.schemas import AnalysisList, AnalysisShape
from heliograph_gateway.settings import GatewaySettings

Picture = Callable[..., bytes]
NOBODYS = "01890000-0000-7000-8000-000000000000"
PNG = {"Content-Type": "image/png"}
WAIT = {"Prefer": "wait=20"}


def shape(answer: httpx2.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    AnalysisShape.model_validate_json(answer.content)
    found: dict[str, Any] = answer.json()
    return found


async def images(db: Database) -> int:
    async with db.transaction() as connection:
        found: int = (await connection.exec_driver_sql("SELECT count(*) FROM images")).scalar_one()
    return found


# -- asked for ---------------------------------------------------------------------------------------------------------


async def test_an_image_is_analyzed(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    await configure(db)
    image = await upload(ann, picture())
    accepted = await analyze(ann, image["id"])
    queued = shape(accepted, 202)

    assert (queued["image_id"], queued["profile"], queued["status"]) == (image["id"], "describe", "queued")
    assert (queued["result"], queued["waiting"], queued["error"]) == (None, None, None)
    assert accepted.headers["retry-after"] == "1"
    assert "preference-applied" not in accepted.headers
    assert shape(await ann.get(accepted.headers["location"])) == queued
    assert (await ann.get(f"/v1/images/{image['id']}")).json()["stages"]["analysis"] == "pending"

    await conclude(db, queued["id"])
    done = shape(await analyze(ann, image["id"]))
    assert (done["id"], done["status"], done["result"], done["source"]) == (queued["id"], "completed", DESCRIBED, "api")
    assert done["usage"] == {"calls": 1, "input_tokens": 1400, "output_tokens": 200, "cost_usd": 0.00175}
    assert (await ann.get(f"/v1/images/{image['id']}")).json()["stages"]["analysis"] == "complete"


async def test_what_can_be_shown_is_sent_at_once(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    image = await upload(ann, picture())
    await configure(db)
    await show(db, image["id"])
    shape(await analyze(ann, image["id"], "describe"), 202)
    queued = shape(await analyze(ann, image["id"], "food", wait=1), 202)

    assert await count(bus, "WORK", "work.analyze.describe", expected=0) == 0
    assert await count(bus, "WORK", "work.analyze.food", expected=1) == 1
    turn, row = await analysis_rows(db)
    assert (str(row.id), row.urgent, row.sent_at is not None) == (queued["id"], True, True)
    assert (turn.urgent, turn.ready_at is None, turn.sent_at) == (False, False, None)


async def test_only_so_many_of_an_owner_are_urgent(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    await configure(db)
    images = [await upload(ann, picture(seed=seed)) for seed in range(5)]
    asked = [(image["id"], profile) for image in images for profile in ("describe", "food")]
    await asyncio.gather(*(analyze(ann, *each, wait=1) for each in asked[:8]))
    last = await ann.post("/v1/analyses", content=picture(seed=4), headers=PNG | {"Prefer": "wait=1"})
    theirs = await upload(bob, picture(seed=9))
    await asyncio.gather(analyze(ann, *asked[9], wait=1), analyze(bob, theirs["id"], wait=1))

    rows = {(str(row.image_id), row.profile): row for row in await analysis_rows(db)}
    assert [rows[each].urgent for each in asked] == [True] * 8 + [False] * 2
    assert rows[theirs["id"], "describe"].urgent
    assert last.headers["preference-applied"] == "wait=1"
    for each in asked[:2]:
        await conclude(db, str(rows[each].id), status="failed", result=None, error_code="refused")
    await analyze(ann, *asked[8], wait=1)
    (hastened,) = [row for row in await analysis_rows(db) if str(row.id) == last.json()["id"]]
    assert hastened.urgent, "others have ended"


async def test_a_picture_that_is_sent_is_uploaded_and_analyzed(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    raw = shape(await ann.post("/v1/analyses?profile=food", content=picture(seed=1), headers=PNG), 202)
    form = {"file": ("Möwe.png", picture(seed=2), "image/png")}
    sent = shape(await ann.post("/v1/analyses", files=form, data={"profile": "food"}), 202)
    late: list[Any] = [("file", ("b.png", picture(seed=3), "image/png")), ("profile", (None, "describe"))]
    last = shape(await ann.post("/v1/analyses?profile=food", files=late), 202)
    again = shape(await ann.post("/v1/analyses", content=picture(seed=3), headers=PNG), 202)

    assert [each["profile"] for each in (raw, sent, last)] == ["food", "food", "describe"]
    assert again["id"] == last["id"]
    image = (await ann.get(f"/v1/images/{sent['image_id']}")).json()
    assert (image["name"], image["priority"], image["stages"]["analysis"]) == ("Möwe.png", "normal", "pending")
    assert [row.urgent for row in await analysis_rows(db)] == [False, False, False]
    await conclude(db, last["id"])
    assert shape(await ann.post("/v1/analyses", content=picture(seed=3), headers=PNG))["status"] == "completed"


async def test_a_failed_one_is_queued_again(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image = await upload(ann, picture())
    queued = shape(await analyze(ann, image["id"]), 202)
    await conclude(db, queued["id"], status="failed", result=None, error_code="refused", error="the model declined")
    failed = shape(await ann.get(f"/v1/analyses/{queued['id']}"))
    again = shape(await analyze(ann, image["id"]), 202)

    assert failed["error"] == {"code": "refused", "reason": "the model declined"}
    assert (again["id"], again["status"], again["error"]) == (queued["id"], "queued", None)


async def test_a_completed_one_is_queued_again_on_request(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    await configure(db)
    image = await upload(ann, picture(seed=1))
    body = {"image_id": image["id"]}
    known = shape(await ann.post("/v1/analyses", json=body | {"refresh": True}, headers={"Prefer": "wait=1"}), 202)
    asked: list[dict[str, Any]] = [
        {"json": body | {"refresh": True}},
        {"params": {"refresh": "true"}, "json": body},
        {"params": {"refresh": "true"}, "content": picture(seed=1), "headers": PNG},
        {"params": {"refresh": "true"}, "files": {"file": ("a.png", picture(seed=1), "image/png")}},
    ]
    for each in asked:
        await conclude(db, known["id"])
        again = shape(await ann.post("/v1/analyses", **each), 202)
        assert (again["id"], again["status"], again["result"]) == (known["id"], "queued", None)
        (row,) = await analysis_rows(db)
        assert (row.result, row.urgent, row.sent_at, row.completed_at) == (DESCRIBED, False, None, None)
        assert (await ann.get(f"/v1/images/{image['id']}")).json()["stages"]["analysis"] == "pending"

    await conclude(db, known["id"])
    overridden: dict[str, Any] = {"params": {"refresh": "true"}, "json": body | {"refresh": False}}
    assert shape(await ann.post("/v1/analyses", **overridden))["result"] == DESCRIBED
    await show(db, image["id"])
    async with analyzer(db, {"describe": {"result": DESCRIBED | {"caption": "Another."}}}):
        answer = await ann.post("/v1/analyses", json=body | {"refresh": True}, headers=WAIT)
    assert shape(answer)["result"]["caption"] == "Another."
    assert await count(bus, "WORK", "work.analyze.describe", expected=1) == 1
    await pause(db, "analysis", "an outage", 4000)
    problem(await ann.post("/v1/analyses", json=body | {"refresh": True}, headers=WAIT), "analysis-unavailable")
    assert shape(await ann.post("/v1/analyses", json=body))["result"]["caption"] == "Another."


async def test_an_image_that_failed_has_to_be_retried_first(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    image = await upload(ann, picture())
    await change(db, image["id"], processing_status="failed", processing_error="broken")
    for headers in ({}, WAIT):
        answer = await ann.post("/v1/analyses", json={"image_id": image["id"]}, headers=headers)
        assert answer.status_code == 409
        assert "Retry the image first" in problem(answer, "conflict")["detail"]
    assert await analysis_rows(db) == []
    await ann.post(f"/v1/images/{image['id']}/retry")
    assert (await analyze(ann, image["id"])).status_code == 202


# -- waited for --------------------------------------------------------------------------------------------------------


async def test_whoever_waits_gets_the_answer(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image = await upload(ann, picture(seed=1))
    async with analyzer(db, {"describe": {}, "food": {"status": "failed", "result": None, "error_code": "refused"}}):
        answer = await analyze(ann, image["id"], wait=20)
        failed = shape(await analyze(ann, image["id"], "food", wait=20))
        known = await ann.post("/v1/analyses", content=picture(seed=1), headers=PNG | {"Prefer": "wait=100000"})

    assert shape(answer)["result"] == DESCRIBED
    assert answer.headers["preference-applied"] == "wait=20"
    assert "etag" in answer.headers
    assert (failed["status"], failed["error"]["code"]) == ("failed", "refused")
    assert shape(known) == answer.json()
    assert known.headers["preference-applied"] == "wait=60"


async def test_the_wait_ends(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    await configure(db)
    image = await upload(ann, picture())
    started = time.monotonic()
    answer = await analyze(ann, image["id"], wait=1)

    assert shape(answer, 202)["status"] == "queued"
    assert time.monotonic() - started >= 1
    assert answer.headers["preference-applied"] == "wait=1"
    assert answer.headers["location"] == f"/v1/analyses/{answer.json()['id']}"


@pytest.mark.parametrize(
    "value", ["wait=abc", "wait=-1", "wait", "wait=", "wait=0", "respond-async", "x" * 10_000, "wait=²"]
)
async def test_a_preference_that_makes_no_sense_is_ignored(
    ann: httpx2.AsyncClient, db: Database, picture: Picture, value: str
) -> None:
    image = await upload(ann, picture())
    headers = [(b"Prefer", value.encode())]
    answer = await ann.post("/v1/analyses", json={"image_id": image["id"]}, headers=headers)  # no analyzer runs
    assert shape(answer, 202)["waiting"] == {"reason": "missing credentials", "until": None}
    assert "preference-applied" not in answer.headers


async def test_only_so_many_wait(gateway_settings: GatewaySettings, bus: Bus, db: Database, picture: Picture) -> None:
    await configure(db)
    own = gateway_settings.gateway.model_copy(update={"analysis_waits": 1})
    async with running(gateway_settings.model_copy(update={"gateway": own})) as gateway, gateway.client() as ann:
        image = await upload(ann, picture())
        first = asyncio.create_task(analyze(ann, image["id"], wait=60))
        while not await analysis_rows(db):
            await asyncio.sleep(0.05)  # until the first one waits
        await asyncio.sleep(0.5)  # it is asked for before it is waited for
        second = await analyze(ann, image["id"], wait=60)
        await conclude(db, second.json()["id"])
        assert second.status_code == 202
        assert "preference-applied" not in second.headers
        assert shape(await first)["status"] == "completed"


async def test_nobody_waits_at_a_gateway_that_stops(gateway: Gateway, db: Database, picture: Picture) -> None:
    await configure(db)
    async with gateway.client() as ann:
        image = await upload(ann, picture())
        waiting = asyncio.create_task(analyze(ann, image["id"], wait=60))
        while not await analysis_rows(db):
            await asyncio.sleep(0.05)  # until it is asked for
        gateway.health.phase = "draining"
        async with asyncio.timeout(20):
            assert shape(await waiting, 202)["status"] == "queued"


async def test_an_image_that_is_deleted_while_one_waits(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    await configure(db)
    image = await upload(ann, picture())
    waiting = asyncio.create_task(analyze(ann, image["id"], wait=60))
    while not await analysis_rows(db):
        await asyncio.sleep(0.05)  # until it is asked for
    await ann.delete(f"/v1/images/{image['id']}")
    problem(await waiting, "not-found")


# -- nobody can answer -------------------------------------------------------------------------------------------------


async def test_without_credentials_nobody_waits_and_nothing_is_stored(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    image = await upload(ann, picture(seed=1))
    files = {"file": ("a.png", picture(seed=2), "image/png")}
    for state in ("none", "without", "gone"):
        if state == "without":
            await configure(db, configured=False, reason="missing credentials")
        if state == "gone":
            await configure(db)
            await forget_credentials(db)
        for answer in (
            await analyze(ann, image["id"], wait=20),
            await ann.post("/v1/analyses", content=picture(seed=2), headers=PNG | WAIT),
            await ann.post("/v1/analyses", files=files, headers=WAIT),
        ):
            assert answer.status_code == 503, state
            said = problem(answer, "analysis-unavailable")
            assert said["reason"] == "missing credentials"
            assert "without `Prefer: wait`" in said["remedy"]
            assert int(answer.headers["retry-after"]) > 0
    assert await analysis_rows(db) == []
    assert await images(db) == 1

    queued = shape(await analyze(ann, image["id"]), 202)
    assert queued["waiting"] == {"reason": "missing credentials", "until": None}
    await configure(db)
    assert shape(await ann.get(f"/v1/analyses/{queued['id']}"))["waiting"] is None


@pytest.mark.parametrize("budget", ["analysis", "analysis:ann"])
async def test_during_a_pause_nobody_waits_and_nothing_is_stored(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database, picture: Picture, budget: str
) -> None:
    await configure(db)
    image = await upload(ann, picture(seed=1))
    known = shape(await analyze(ann, image["id"], "food"), 202)
    await conclude(db, known["id"])
    await pause(db, budget, "the daily token budget is spent", 4000)
    for answer in (
        await analyze(ann, image["id"], wait=60),
        await ann.post("/v1/analyses", content=picture(seed=2), headers=PNG | WAIT),
    ):
        said = problem(answer, "analysis-unavailable")
        assert said["reason"] == "the daily token budget is spent"
        assert 3000 < int(answer.headers["retry-after"]) <= 4000
    assert (await images(db), len(await analysis_rows(db))) == (1, 1)
    assert shape(await analyze(ann, image["id"], "food", wait=60))["status"] == "completed"

    queued = shape(await analyze(ann, image["id"]), 202)
    assert queued["waiting"]["reason"] == "the daily token budget is spent"
    theirs = await upload(bob, picture(seed=3))
    answer = await analyze(bob, theirs["id"], wait=1)
    assert answer.status_code == (503 if budget == "analysis" else 202)


async def test_a_pause_that_ends_in_time_is_waited_for(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image = await upload(ann, picture())
    await pause(db, "analysis", "the model cannot be reached", 30)
    async with analyzer(db, {"describe": {}}):
        assert shape(await analyze(ann, image["id"], wait=60))["result"] == DESCRIBED
        problem(await analyze(ann, image["id"], "food", wait=20), "analysis-unavailable")


async def test_what_is_known_is_told_without_credentials(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    queued = shape(await ann.post("/v1/analyses", content=picture(), headers=PNG), 202)
    await conclude(db, queued["id"])

    assert shape(await analyze(ann, queued["image_id"], wait=20))["result"] == DESCRIBED
    assert shape(await ann.post("/v1/analyses", content=picture(), headers=PNG | WAIT))["result"] == DESCRIBED


# -- refused -----------------------------------------------------------------------------------------------------------


async def test_bad_requests(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image = await upload(ann, picture(seed=1))
    body = {"image_id": image["id"]}
    for profile in ("fod", "Describe", "", " ", "*", "x" * 60):
        answer = await ann.post("/v1/analyses", json=body | {"profile": profile})
        assert answer.status_code == 422, profile
        said = problem(answer, "invalid-body")
        assert "describe, food" in said["detail"]
        assert said["errors"][0]["pointer"] == "/profile"
        for sent in (
            await ann.post("/v1/analyses", params={"profile": profile}, content=picture(seed=2), headers=PNG),
            await ann.post("/v1/analyses", files={"file": ("a", picture(seed=2))}, data={"profile": profile}),
        ):
            assert sent.status_code == 400, profile
            assert "describe, food" in problem(sent, "invalid-parameter")["detail"]
    wrong: list[Any] = [
        {},
        {"image_id": "x"},
        {"image_id": 7},
        body | {"profil": "food"},
        body | {"profile": "x" * 100_000},
        [],
    ]
    for bad in wrong:
        assert (await ann.post("/v1/analyses", json=bad)).status_code in {413, 422}, str(bad)[:100]
    long = await ann.post("/v1/analyses", params={"profile": "x" * 5000}, content=picture(seed=2), headers=PNG)
    problem(long, "invalid-parameter")
    problem(
        await ann.post("/v1/analyses", content=b"{}", headers={"Content-Type": "text/plain"}), "unsupported-media-type"
    )
    problem(await ann.post("/v1/analyses", content=b"no picture", headers=PNG), "unsupported-image")
    problem(await ann.post("/v1/analyses", content=b"", headers=PNG), "empty-image")
    problem(await ann.post("/v1/analyses", files={"profile": (None, "food")}), "missing-file")
    problem(await ann.post("/v1/analyses", files={"picture": ("a", picture())}), "unknown-part")
    two = [("file", ("a", picture(seed=2))), ("file", ("b", picture(seed=3)))]
    problem(await ann.post("/v1/analyses", files=two), "too-many-files")
    assert await images(db) == 1
    assert await analysis_rows(db) == []


async def test_whose_analyses(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, gateway: Gateway, db: Database, picture: Picture
) -> None:
    image = await upload(ann, picture())
    queued = shape(await analyze(ann, image["id"]), 202)
    for image_id in (image["id"], NOBODYS):
        problem(await analyze(bob, image_id), "not-found")
        problem(await bob.get(f"/v1/images/{image_id}/analyses"), "not-found")
    for client, analysis_id in ((bob, queued["id"]), (ann, NOBODYS), (ann, "x")):
        problem(await client.get(f"/v1/analyses/{analysis_id}"), "not-found")
    async with gateway.client("ann", ("images:read",)) as reader:
        assert (await analyze(reader, image["id"])).status_code == 403
        assert (await reader.get(f"/v1/analyses/{queued['id']}")).status_code == 200

    await ann.delete(f"/v1/images/{image['id']}")
    for path in (f"/v1/analyses/{queued['id']}", f"/v1/images/{image['id']}/analyses"):
        problem(await ann.get(path), "not-found")


# -- shown -------------------------------------------------------------------------------------------------------------


async def test_all_of_an_image(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image = await upload(ann, picture())
    path = f"/v1/images/{image['id']}/analyses"
    assert (await ann.get(path)).json() == {"analyses": []}
    first = shape(await analyze(ann, image["id"], "food"), 202)
    second = shape(await analyze(ann, image["id"]), 202)
    listed = await ann.get(path)

    AnalysisList.model_validate_json(listed.content)
    assert listed.json() == {"analyses": [first, second]}
    for shown in (path, f"/v1/analyses/{first['id']}"):
        tag = {"If-None-Match": (await ann.get(shown)).headers["etag"]}
        assert (await ann.get(shown, headers=tag)).status_code == 304
        await conclude(db, first["id"], cost_micros=None)
        assert (await ann.get(shown, headers=tag)).status_code == 200
        await conclude(db, first["id"], status="queued", result=None)
    await conclude(db, first["id"], cost_micros=None)
    assert shape(await ann.get(f"/v1/analyses/{first['id']}"))["usage"]["cost_usd"] is None


async def test_the_same_key_asks_once(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image = await upload(ann, picture())
    key = {"Idempotency-Key": "k"}
    first = await ann.post("/v1/analyses", json={"image_id": image["id"]}, headers=key)
    await conclude(db, first.json()["id"])
    again = await ann.post("/v1/analyses", json={"image_id": image["id"]}, headers=key)
    other = await ann.post("/v1/analyses", json={"image_id": image["id"], "profile": "food"}, headers=key)

    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    problem(other, "idempotency-mismatch")
