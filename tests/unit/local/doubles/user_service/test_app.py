"""The double of a user service keeps each entry once, and takes no other than it should be sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.user_service import TOKEN, Entry, UserServiceDouble

ENTRY: dict[str, Any] = {
    "entryId": "e1",
    "owner": "ann",
    "name": "Lentil soup",
    "calories": 410,
    "protein": 21.5,
    "carbs": 62,
    "fat": 8,
    "servingSize": "1 plate",
    "ingredients": ["lentils"],
    "confidence": 0.85,
    "eatenAt": "2026-11-21T12:00:00Z",
}


@pytest.fixture
def double() -> UserServiceDouble:
    return UserServiceDouble()


@pytest.fixture
async def client(double: UserServiceDouble) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with served(double.app) as url, httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as made:
        yield made


async def test_an_entry_is_kept_once(client: httpx2.AsyncClient, double: UserServiceDouble) -> None:
    statuses = [(await client.put("/entries/e1", json=ENTRY)).status_code for _ in range(3)]
    assert statuses == [201, 200, 200]
    assert (await client.put("/entries/e1", json=ENTRY | {"calories": 1})).status_code == 409
    assert (await client.put("/entries/e2", json=ENTRY | {"entryId": "e2"})).status_code == 201
    assert double.entries["e1"] == Entry(**ENTRY)
    assert (await client.get("/_double/entries")).json() == {"e1": ENTRY, "e2": ENTRY | {"entryId": "e2"}}
    assert double.behaviour.violations == []


@pytest.mark.parametrize(
    "change",
    [
        {"newer": 1},
        {"entryId": "other"},
        {"owner": ""},
        {"owner": None},
        {"calories": "410"},
        {"calories": -1},
        {"protein": None},
        {"confidence": 1.5},
        {"ingredients": "lentils"},
        {"ingredients": [""]},
        {"eatenAt": "2026-11-21T12:00:00"},
        {"eatenAt": "2026-11-21T12:00:00+01:00"},
        {"eatenAt": "2026-11-31T12:00:00Z"},
        {"eatenAt": 1},
    ],
    ids=str,
)
async def test_an_entry_that_should_not_be_sent(
    client: httpx2.AsyncClient, double: UserServiceDouble, change: dict[str, Any]
) -> None:
    assert (await client.put("/entries/e1", json=ENTRY | change)).status_code == 422
    assert len(double.behaviour.violations) == 1
    assert double.entries == {}


async def test_a_body_in_the_wrong_form(client: httpx2.AsyncClient, double: UserServiceDouble) -> None:
    without = {key: value for key, value in ENTRY.items() if key != "fat"}
    assert (await client.put("/entries/e1", json=without)).status_code == 422
    assert (await client.put("/entries/e1", json=[])).status_code == 422
    assert (await client.put("/entries/e1", content=json.dumps(ENTRY))).status_code == 422
    assert len(double.behaviour.violations) == 3


async def test_the_token_is_checked(client: httpx2.AsyncClient, double: UserServiceDouble) -> None:
    for header in ("", "Bearer other", f"Basic {TOKEN}"):
        reply = await client.put("/entries/e1", json=ENTRY, headers={"authorization": header})
        assert reply.status_code == 401
    assert double.entries == {}


@pytest.mark.parametrize(
    ("fault", "status", "wait"),
    [
        (Fault(kind="error"), 500, None),
        (Fault(kind="error", status=503, retry_after=2), 503, "2"),
        (Fault(kind="rate_limited", retry_after=3), 429, "3"),
        (Fault(kind="rate_limited"), 429, None),
        (Fault(kind="html"), 502, None),
    ],
)
async def test_refusals(
    client: httpx2.AsyncClient, double: UserServiceDouble, fault: Fault, status: int, wait: str | None
) -> None:
    double.behaviour.misbehave(fault)
    reply = await client.put("/entries/e1", json=ENTRY)
    assert (reply.status_code, reply.headers.get("retry-after")) == (status, wait)
    assert double.entries == {}
    assert (await client.put("/entries/e1", json=ENTRY)).status_code == 201


async def test_an_answer_that_is_lost_is_given_again(client: httpx2.AsyncClient, double: UserServiceDouble) -> None:
    double.behaviour.misbehave(Fault(kind="cut_off"))
    with pytest.raises(httpx2.TransportError):
        await client.put("/entries/e1", json=ENTRY)
    assert (await client.put("/entries/e1", json=ENTRY)).status_code == 200


async def test_a_slow_answer_and_a_fault_of_one_owner(client: httpx2.AsyncClient, double: UserServiceDouble) -> None:
    double.behaviour.misbehave(Fault(kind="slow", seconds=0.01), Fault(kind="error", about="bob", times=-1))
    assert (await client.put("/entries/e1", json=ENTRY)).status_code == 201
    assert (await client.put("/entries/e2", json=ENTRY | {"entryId": "e2", "owner": "bob"})).status_code == 500
