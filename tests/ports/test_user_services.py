"""One suite over user services: the adapter with the double, real HTTP in between, and the fake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from tests.ports.user_services import KEEPERS, HttpKeeper, Keeper

from heliograph_gateway.food.port import EntryRefused, UserServiceFailed
from heliograph_gateway.food.user_service import HttpUserService, retry_after
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.user_service import TOKEN, UserServiceDouble


def entry(entry_id: object, **values: Any) -> dict[str, Any]:
    return {
        "entryId": str(entry_id), "owner": "ann", "name": "Lentil soup", "calories": 410.0, "protein": 21.5,
        "carbs": 62.0, "fat": 8.0, "servingSize": "1 plate", "ingredients": ["lentils"], "confidence": 0.85,
        "eatenAt": "2026-11-21T12:00:00.000Z",
    } | values  # fmt: skip


@pytest.fixture(params=KEEPERS, ids=lambda kind: kind.name)
async def keeper(request: pytest.FixtureRequest) -> AsyncIterator[Keeper]:
    """Each, while it answers."""
    async with request.param().running() as running:
        yield running


async def test_an_entry_is_kept_once(keeper: Keeper) -> None:
    first, second = uuid4(), uuid4()
    for entry_id in (first, first, second):
        await keeper.service.put(entry_id, entry(entry_id))
    assert keeper.kept() == {str(each): entry(each) for each in (first, second)}


async def test_another_entry_of_the_same_id_is_refused(keeper: Keeper) -> None:
    entry_id = uuid4()
    await keeper.service.put(entry_id, entry(entry_id))
    with pytest.raises(EntryRefused):
        await keeper.service.put(entry_id, entry(entry_id, calories=1.0))
    assert keeper.kept() == {str(entry_id): entry(entry_id)}


@pytest.mark.parametrize("delay", [None, 7.0])
async def test_one_that_is_out_of_order(keeper: Keeper, delay: float | None) -> None:
    entry_id = uuid4()
    keeper.fail(delay=delay)
    with pytest.raises(UserServiceFailed) as failure:
        await keeper.service.put(entry_id, entry(entry_id))
    assert failure.value.delay == delay
    assert keeper.kept() == {}
    await keeper.service.put(entry_id, entry(entry_id))
    assert keeper.kept() == {str(entry_id): entry(entry_id)}


# -- over HTTP ---------------------------------------------------------------------------------------------------------


async def test_an_answer_that_is_slow_or_not_there() -> None:
    double, entry_id = UserServiceDouble(), uuid4()
    async with served(double.app) as url:
        impatient = HttpUserService(url, SecretStr(TOKEN), seconds=0.2)
        double.behaviour.misbehave(Fault(kind="slow", seconds=5.0))
        with pytest.raises(UserServiceFailed, match="cannot be reached"):
            await impatient.put(entry_id, entry(entry_id))
        await impatient.close()
    gone = HttpUserService(url, SecretStr(TOKEN), seconds=5)
    with pytest.raises(UserServiceFailed, match="cannot be reached"):
        await gone.put(entry_id, entry(entry_id))
    await gone.close()


async def test_an_answer_that_breaks_off_or_is_a_page() -> None:
    keeper, entry_id = HttpKeeper(), uuid4()
    async with keeper.running():
        keeper.double.behaviour.misbehave(Fault(kind="html"))
        with pytest.raises(UserServiceFailed, match="502"):
            await keeper.service.put(entry_id, entry(entry_id))
        keeper.double.behaviour.misbehave(Fault(kind="cut_off"))
        await keeper.service.put(entry_id, entry(entry_id))  # its status has said that it is kept
    assert keeper.kept() == {str(entry_id): entry(entry_id)}


@pytest.mark.parametrize("token", [None, SecretStr("another-secret")])
async def test_a_token_that_is_not_taken_is_not_told(token: SecretStr | None) -> None:
    double, entry_id = UserServiceDouble(), uuid4()
    async with served(double.app) as url:
        service = HttpUserService(url, token, seconds=10)
        with pytest.raises(UserServiceFailed, match=r"check `food\.user_service_token`") as failure:
            await service.put(entry_id, entry(entry_id))
        await service.close()
    assert "another-secret" not in str(failure.value) + repr(service)
    assert double.entries == {}


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("", None), ("x", None), ("-1", 0.0), ("²", None), ("0", 0.0), ("7", 7.0), ("9" * 400, 3600.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0), ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0), ("Sat, 21 Nov 2026", None),
        (f"Sat, 21 Nov {'9' * 30} 12:00:30 GMT", None), (f"Sat, 21 Nov 2026 12:00:30 +{'9' * 30}", None), ("0.5", 0.5),
        ("Sat, 21 Nov 2026 12:00:30 +99999999999", None), ("nan", None), ("inf", 3600.0),
    ],
)  # fmt: skip
def test_what_retry_after_says(told: str, seconds: float | None) -> None:
    assert retry_after(told, datetime(2026, 11, 21, 12, tzinfo=UTC)) == seconds
