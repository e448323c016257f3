"""``GET /v1/analyses/usage``: what analyses used, of whom, and when."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import httpx2
from sqlalchemy import insert
from tests.integration.gateway.support import problem

from heliograph_common.clock import utc_now
from heliograph_common.db.analysis_models import AnalysisUsage
from heliograph_common.db.engine import Database
from heliograph_gateway.analyses.schemas import AnalysisUsageReport

PATH = "/v1/analyses/usage"
NOTHING = {"calls": 0, "cache_hits": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0, "unpriced_calls": 0}
USED = {"calls": 2, "cache_hits": 3, "unpriced": 0, "input_tokens": 2800, "output_tokens": 400, "cost_micros": 3500}
SHOWN = {
    "calls": 2, "cache_hits": 3, "input_tokens": 2800, "output_tokens": 400, "cost_usd": 0.0035, "unpriced_calls": 0,
}  # fmt: skip


async def used(db: Database, owner: str, day: date, **values: Any) -> None:
    row = {"owner": owner, "day": day, "profile": "food", "model": "made-up"} | USED | values
    async with db.transaction() as connection:
        await connection.execute(insert(AnalysisUsage).values(row))


async def report(client: httpx2.AsyncClient, **query: str) -> dict[str, Any]:
    answer = await client.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    AnalysisUsageReport.model_validate_json(answer.content)
    found: dict[str, Any] = answer.json()
    return found


async def test_ones_own_usage_by_day_profile_and_model(ann: httpx2.AsyncClient, db: Database) -> None:
    day, before = date(2026, 3, 2), date(2026, 3, 1)
    await used(db, "ann", day)
    await used(db, "ann", day, profile="describe", unpriced=2, cost_micros=0)
    await used(db, "ann", before, model="another")
    await used(db, "ann", before - timedelta(days=1))
    await used(db, "bob", day)
    found = await report(ann, **{"from": "2026-03-01", "to": "2026-03-02"})

    assert (found["owner"], found["first_day"], found["last_day"]) == ("ann", "2026-03-01", "2026-03-02")
    assert found["days"] == [
        SHOWN | {"day": "2026-03-02", "profile": "describe", "model": "made-up", "cost_usd": 0.0, "unpriced_calls": 2},
        SHOWN | {"day": "2026-03-02", "profile": "food", "model": "made-up"},
        SHOWN | {"day": "2026-03-01", "profile": "food", "model": "another"},
    ]
    assert found["total"] == {
        "calls": 6, "cache_hits": 9, "input_tokens": 8400, "output_tokens": 1200, "cost_usd": 0.007, "unpriced_calls": 2,
    }  # fmt: skip


async def test_the_last_days_unless_others_are_asked_for(ann: httpx2.AsyncClient, db: Database) -> None:
    today = utc_now().date()
    for days in (0, 29, 30, 400):
        await used(db, "ann", today - timedelta(days=days))
    found = await report(ann)

    assert (found["first_day"], found["last_day"]) == (str(today - timedelta(days=29)), str(today))
    assert [each["day"] for each in found["days"]] == [str(today), str(today - timedelta(days=29))]
    assert (await report(ann, to="2020-01-30"))["first_day"] == "2020-01-01"
    assert (await report(ann, to="0001-01-01"))["days"] == []
    assert (await report(ann, to="9999-12-31"))["total"] == NOTHING


async def test_administrators_see_those_of_others(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, db: Database
) -> None:
    day = utc_now().date()
    await used(db, "ann", day)
    await used(db, "bob", day)

    assert (await report(admin))["total"] == NOTHING
    assert (await report(admin, owner="bob"))["total"] == SHOWN
    everyone = await report(admin, owner="*")
    assert (everyone["owner"], [each["calls"] for each in everyone["days"]]) == ("*", [4])
    assert (await report(ann, owner="ann"))["total"] == SHOWN
    for owner in ("bob", "*", ""):
        problem(await ann.get(PATH, params={"owner": owner}), "forbidden")


async def test_days_that_make_no_sense(ann: httpx2.AsyncClient) -> None:
    for query in (
        {"from": "yesterday"}, {"to": "1795166400"}, {"to": "2026-02-30"}, {"to": "2026-11-20T00:00:00Z"},
        {"from": "2026-03-02", "to": "2026-03-01"}, {"from": "2024-01-01", "to": "2026-01-01"}, {"since": "2026-01-01"},
        {"from": "9999-12-31"},
    ):  # fmt: skip
        answer = await ann.get(PATH, params=query)
        assert answer.status_code == 400, query
        problem(answer, "invalid-parameter")
    assert (await ann.get(PATH, params={"from": "2024-01-01", "to": "2024-12-31"})).status_code == 200


async def test_it_is_sent_again_only_if_it_changed(ann: httpx2.AsyncClient, db: Database) -> None:
    tag = {"If-None-Match": (await ann.get(PATH)).headers["etag"]}
    assert (await ann.get(PATH, headers=tag)).status_code == 304
    await used(db, "ann", utc_now().date())
    assert (await ann.get(PATH, headers=tag)).status_code == 200
