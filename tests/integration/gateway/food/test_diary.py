"""Entries of food diaries: written once, delivered once, whatever fails in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import select, text
from tests.integration.gateway.analyses.support import MEAL, analysis_rows, conclude
from tests.integration.gateway.support import Gateway
from tests.ports.user_services import MemoryUserService

from heliograph_common.clock import rfc3339
from heliograph_common.db.analysis_models import FoodEntry
from heliograph_common.db.engine import Database
from heliograph_gateway.food.diary import Diary, entry_id_of
from heliograph_gateway.food.port import EntryRefused, UserServiceFailed
from heliograph_gateway.food.user_service import HttpUserService
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.user_service import TOKEN, UserServiceDouble

Picture = Callable[..., bytes]
NOW = timedelta(0)


class Slept:
    """Sleeps no time, and knows how long it should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def entries(db: Database) -> list[Any]:
    async with db.transaction() as connection:
        return list((await connection.execute(select(FoodEntry.__table__).order_by(FoodEntry.id))).all())


async def meals(client: httpx2.AsyncClient, db: Database, picture: Picture, number: int = 1) -> list[Any]:
    """So many analyses of meals."""
    for seed in range(number):
        png = {"Content-Type": "image/png"}
        made = await client.post("/v1/analyses?profile=food", content=picture(seed=seed), headers=png)
        await conclude(db, made.json()["id"], result=MEAL)
    return await analysis_rows(db)


async def test_an_entry_is_written_and_delivered_once(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    (row,) = await meals(ann, db, picture)
    service = MemoryUserService()
    diary = Diary(db, service)
    made = [await diary.record(row, MEAL) for _ in range(2)]
    (entry,) = await entries(db)

    assert made == [entry.id, entry.id] == [entry_id_of("ann", row.id)] * 2
    facts = {name: value for name, value in MEAL.items() if name not in {"isFood", "mealSuggestions"}}
    eaten = {"entryId": str(entry.id), "owner": "ann", "eatenAt": rfc3339(entry.created_at)}
    assert service.entries == {entry.id: facts | eaten}
    assert (service.tried, entry.analysis_id, entry.entry) == (1, row.id, facts)
    assert entry.delivered_at is not None


async def test_without_a_user_service_it_is_in_the_table(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    (row,) = await meals(ann, db, picture)
    diary = Diary(db, None, left_after=NOW)
    await diary.record(row, MEAL)
    assert await diary.deliver_left() == 0
    assert [entry.delivered_at for entry in await entries(db)] == [None]


async def test_a_delivery_is_tried_three_times(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    (row,) = await meals(ann, db, picture)
    service, slept = MemoryUserService(), Slept()
    diary = Diary(db, service, sleep=slept)
    service.failures = [UserServiceFailed("away"), UserServiceFailed("away", delay=3.0)]
    await diary.record(row, MEAL)
    assert (service.tried, len(service.entries)) == (3, 1)
    assert slept.seconds[1:] == [3.0]
    assert 0 < slept.seconds[0] < 1


@pytest.mark.parametrize(
    ("failures", "tries"),
    [
        ([UserServiceFailed("away")] * 3, 3),
        ([UserServiceFailed("away", delay=600.0)], 1),  # longer than anyone waits
        ([EntryRefused("no")], 1),
    ],
)
async def test_what_cannot_be_delivered_stays(
    ann: httpx2.AsyncClient, db: Database, picture: Picture, failures: list[Exception], tries: int
) -> None:
    (row,) = await meals(ann, db, picture)
    service = MemoryUserService()
    diary = Diary(db, service, sleep=Slept())
    service.failures = list(failures)
    with pytest.raises(type(failures[0])):
        await diary.record(row, MEAL)
    assert service.tried == tries
    (left,) = await entries(db)
    assert left.delivered_at is None
    await diary.record(row, MEAL)
    (entry,) = await entries(db)
    assert (entry.id, entry.created_at, entry.delivered_at is not None) == (left.id, left.created_at, True)
    assert service.entries[entry.id]["eatenAt"] == rfc3339(left.created_at)


async def test_what_was_left_behind_is_delivered(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    rows = await meals(ann, db, picture, 3)
    for row in rows:
        await Diary(db, None).record(row, MEAL)
    service = MemoryUserService()
    assert await Diary(db, service).deliver_left() == 0, "a request may be delivering it"
    diary = Diary(db, service, left_after=NOW)
    service.failures = [EntryRefused("no")]
    assert await diary.deliver_left() == 2, "the one that is refused holds up no other"
    service.failures = [UserServiceFailed("away")]
    assert [await diary.deliver_left() for _ in range(2)] == [0, 1]
    assert await diary.deliver_left() == 0
    assert len(service.entries) == 3
    assert all(entry.delivered_at is not None for entry in await entries(db))


async def test_an_entry_that_the_user_service_fails_at_holds_up_no_other(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    for row in await meals(ann, db, picture, 4):
        await Diary(db, None).record(row, MEAL)
    first, *others = [str(entry.id) for entry in await entries(db)]
    double = UserServiceDouble()
    double.behaviour.misbehave(Fault(kind="error", about=first, times=-1))
    async with served(double.app) as url:
        diary = Diary(db, HttpUserService(url, SecretStr(TOKEN), seconds=10), left_after=NOW)
        assert await diary.deliver_left() == 3
        assert sorted(double.entries) == others
        double.behaviour.misbehave()
        assert await diary.deliver_left() == 1
        await diary.close()
    assert double.behaviour.violations == []


async def test_a_user_service_that_fails_is_left_alone(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    for row in await meals(ann, db, picture, 5):
        await Diary(db, None).record(row, MEAL)
    service = MemoryUserService()
    diary = Diary(db, service, left_after=NOW)
    service.failures = [UserServiceFailed("away")] * 3
    with pytest.raises(UserServiceFailed):
        await diary.deliver_left()
    assert service.tried == 3, "several in a row: it is the user service"
    assert await diary.deliver_left() == 2, "the others first"
    service.failures = [UserServiceFailed("too many", delay=600.0)]
    assert [await diary.deliver_left() for _ in range(3)] == [0, 0, 0]
    assert service.tried == 6, "it is not asked again before it wants to be"


async def test_an_entry_outlives_its_image(
    gateway: Gateway, ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    (row,) = await meals(ann, db, picture)
    entry_id: UUID = await Diary(db, None).record(row, MEAL)
    async with db.transaction() as connection:
        await connection.execute(text("DELETE FROM images"))
    assert [(entry.id, entry.analysis_id) for entry in await entries(db)] == [(entry_id, None)]
