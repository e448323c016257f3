"""What is told, where the API server hangs or refuses, and of a scaler that was forgotten meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs
from tests.unit.operator.support import ScriptedOperator

from heliograph_common.telemetry import metrics
from heliograph_operator import teller
from heliograph_operator.cluster.port import ClusterError, ClusterUnavailable, Forbidden
from heliograph_operator.loop import LOOK_SECONDS


def measured() -> float | None:
    """What is exported of the scaler now."""
    return metrics.REGISTRY.get_sample_value("heliograph_operator_replicas", {"scaler": "one"})


@pytest.mark.parametrize("call", ["scale", "pods", "set_replicas", "write_status"])
async def test_what_is_forgotten_during_a_look_does_not_come_back(call: str) -> None:
    operator = ScriptedOperator(replicas=4)
    await operator.tick(59)

    async def lose(now: str) -> None:
        if now == call and operator.acting:
            operator.reconciler.forget()
            operator.acting = False

    operator.cluster.before = lose
    for _ in range(15):
        if operator.acting:
            await operator.tick()
    assert not operator.acting
    assert measured() is None
    labels = {"scaler": "one", "term": "Step", "direction": "down"}
    assert metrics.REGISTRY.get_sample_value("heliograph_operator_decisions_total", labels) is None
    if call in {"scale", "pods"}:
        assert operator.cluster.set_to == []
    assert "ScaledDown" not in operator.cluster.events


async def test_a_look_that_was_begun_before_acting_was_lost_and_won_again_writes_nothing() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)

    async def lose_and_win(call: str) -> None:
        if call == "scale":
            operator.reconciler.forget()

    operator.cluster.before = lose_and_win
    await operator.tick()
    assert (operator.cluster.set_to, operator.cluster.statuses, operator.cluster.events) == ([], [], [])
    operator.cluster.before = None
    await operator.tick()
    assert operator.cluster.set_to == [3]


@pytest.mark.parametrize(
    ("call", "fault", "reason", "words"),
    [
        (
            "set_replicas",
            ClusterError('patch: admission webhook "quota.example" denied it (403)'),
            "Refused",
            "quota.ex",
        ),
        ("scale", ClusterError("get deployments/scale: unprocessable (422)"), "Refused", "unprocessable"),
        ("scale", ClusterUnavailable("get: etcd has no leader (500)"), "ApiServerUnavailable", "etcd has no leader"),
        ("set_replicas", Forbidden("patch deployments/scale", "cannot patch"), "AccessDenied", "operator.targets"),
        ("scale", Forbidden("get deployments/scale", "user cannot get it"), "AccessDenied", "user cannot get it"),
        ("autoscaler_of", Forbidden("list horizontalpodautoscalers", "no"), "AccessDenied", "Role"),
    ],
)
async def test_the_words_of_the_api_server_are_told_and_logged_once_a_change(
    call: str, fault: ClusterError, reason: str, words: str
) -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)
    operator.cluster.faults[call] = fault
    with capture_logs() as logs:
        await operator.tick(9)
    assert operator.condition("Ready")["reason"] == reason
    assert words in operator.condition("Ready")["message"]
    assert len([one for one in logs if words in str(one.get("message"))]) == 1
    operator.cluster.faults[call] = (
        type(fault)("patch x", "other words") if isinstance(fault, Forbidden) else type(fault)("other words")
    )
    with capture_logs() as logs:
        await operator.tick(9)
    assert len([one for one in logs if "other words" in str(one.get("message"))]) == 1
    assert operator.cluster.events == [reason]


async def test_a_long_answer_is_cut() -> None:
    operator = ScriptedOperator()
    operator.cluster.faults["scale"] = ClusterError("no\n" * 5000)
    await operator.tick()
    assert len(operator.condition("Ready")["message"]) < 700


def hang(operator: ScriptedOperator, *calls: str) -> None:
    """These calls do not return."""

    async def before(call: str) -> None:
        if call in calls:
            await asyncio.Event().wait()

    operator.cluster.before = before


async def look(operator: ScriptedOperator, seconds: float) -> bool:
    """One, for so long at most; whether it ended by itself."""
    (scaler,) = operator.store.scalers()
    try:
        async with asyncio.timeout(seconds):
            await operator.reconciler.tick(scaler)
    except TimeoutError:
        return False
    finally:
        operator.seconds += teller.AGAIN_SECONDS + 1
    return True


async def test_events_that_hang_are_written_later() -> None:
    operator = ScriptedOperator(replicas=0, tell_seconds=0.05)
    operator.load(4000)
    hang(operator, "emit")
    assert await look(operator, 10)
    assert operator.status["replicas"] == 20
    operator.cluster.before = None
    operator.cluster.events.clear()
    assert await look(operator, 10)
    assert operator.cluster.events == ["ScaledUp", "Saturated"]


async def test_a_look_that_times_out_loses_no_event_and_repeats_none() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(4000)
    hang(operator, "write_status")
    assert not await look(operator, 0.05)
    operator.cluster.before = None
    assert await look(operator, 10)
    assert operator.cluster.events == ["ScaledUp", "Saturated"]


async def test_events_without_an_api_server_wait_and_are_not_tried_each_second() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(4000)
    operator.cluster.faults["emit"] = ClusterUnavailable("no")
    await operator.tick(9)
    assert operator.cluster.calls.count("emit") == 1
    operator.cluster.faults = {}
    operator.cluster.events.clear()
    await operator.tick(3)
    assert operator.cluster.events == ["ScaledUp", "Saturated"]


def test_telling_leaves_time_for_the_look() -> None:
    assert 2 * teller.TELL_SECONDS < LOOK_SECONDS / 2
