"""What is told of a word that waits, and when it is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from heliograph_common.db.provider_states import State
from heliograph_common.db.words.budget import Spending
from heliograph_common.db.words.queue import Lane, Place
from heliograph_gateway.words.pictures.routes import retry_after
from heliograph_gateway.words.pictures.service import Queued
from heliograph_gateway.words.queue import representation
from heliograph_gateway.words.queue.service import Budget, Waiting

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=20)
FREE = Spending(NOW, 25, 0, None, None)
SPENT = Spending(NOW, 25, 25, LATER - timedelta(hours=1), None)
PAUSED = State(paused=True, paused_until=NOW + timedelta(hours=2), failing=True, reason="the access key was refused")


def waiting(place: int = 1, spending: Spending = FREE, state: State | None = None, **fields: object) -> Waiting:
    values = {"lane": Lane.ASKED, "status": "queued", "not_before": None, **fields}
    return Waiting(Place(place=place, **values), Budget(spending, state or State()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "code", "due"),
    [
        (waiting(), "queue", NOW),
        (waiting(3), "queue", NOW + 4 * timedelta(hours=1) / 25),
        (waiting(1, SPENT), "budget", LATER),
        (waiting(2, SPENT), "budget", LATER + 2 * timedelta(hours=1) / 25),
        (waiting(1, SPENT, PAUSED), "provider", NOW + timedelta(hours=2)),
        (waiting(not_before=LATER), "retry", LATER),
        (waiting(not_before=NOW - timedelta(seconds=1)), "queue", NOW),
        (waiting(1, SPENT, PAUSED, status="active"), "attempt", NOW),
    ],
)
def test_of_several_reasons_the_one_that_says_most_is_told(found: Waiting, code: str, due: datetime) -> None:
    assert representation.why(found)[0] == code
    assert found.budget.due_at(found.place) == due


def test_clients_ask_again_in_an_hour_at_the_latest_and_not_at_once() -> None:
    for found, seconds in ((waiting(), "2"), (waiting(1, SPENT), "1200"), (waiting(20_000), "3600")):
        assert retry_after(Queued(None, found)) == {"Retry-After": seconds}  # type: ignore[arg-type]
