"""What is kept while nothing is known of the load: workers take work from PostgreSQL only where there is one."""

from __future__ import annotations

import pytest
from tests.unit.operator.support import ScriptedOperator

from heliograph_operator.cluster.port import Forbidden


def lose(operator: ScriptedOperator, how: str) -> None:
    """As ``SignalLost`` or ``ConsumerMissing``."""
    if how == "SignalLost":
        operator.signals.lost = "NATS is not connected"
    else:
        operator.load(0, missing=("thumbnailer",))


@pytest.mark.parametrize("how", ["SignalLost", "ConsumerMissing"])
@pytest.mark.parametrize(
    ("replicas", "minimum", "then"), [(0, 0, [1]), (0, 3, [3]), (1, 0, []), (9, 0, []), (30, 1, [])]
)
async def test_the_fewest_are_kept_and_no_more(how: str, replicas: int, minimum: int, then: list[int]) -> None:
    operator = ScriptedOperator(replicas=replicas, min_replicas=minimum)
    lose(operator, how)
    await operator.tick(5)
    assert operator.cluster.set_to == []
    await operator.tick(200)
    assert operator.cluster.set_to == then
    assert operator.status["term"] == "Held"
    assert operator.condition("Ready")["reason"] == how
    assert sorted(operator.cluster.events) == sorted([how] + ["ScaledUp"] * len(then))
    if then:
        (decision,) = operator.status["decisions"]
        assert decision["term"] == "Minimum"
        assert "PostgreSQL" in decision["message"]
        assert operator.status["replicas"] == then[0]


@pytest.mark.parametrize("how", ["SignalLost", "ConsumerMissing"])
async def test_none_is_added_for_who_may_not(how: str) -> None:
    operators = [ScriptedOperator(replicas=0), ScriptedOperator(replicas=0, dry_run=True), ScriptedOperator(replicas=0)]
    operators[0].cluster.autoscaler = "hpa"
    operators[2].cluster.faults["set_replicas"] = Forbidden("patch deployments/scale", "no")
    for operator in operators:
        lose(operator, how)
        await operator.tick(60)
        assert operator.cluster.set_to == []
        assert operator.status["replicas"] == 0
    assert "does nothing" in operators[0].condition("Ready")["message"]
    assert "minReplicas" not in operators[1].condition("Scaling")["message"]
    assert operators[2].condition("Ready")["reason"] == "AccessDenied"
    assert operators[2].cluster.events.count("AccessDenied") == 1


async def test_a_consumer_that_is_missing_for_a_moment_starts_nothing() -> None:
    operator = ScriptedOperator(replicas=0)
    for _ in range(5):
        lose(operator, "ConsumerMissing")
        await operator.tick(4)
        operator.load(0)
        await operator.tick(2)
    assert operator.cluster.set_to == []


async def test_when_the_load_is_known_again_the_law_goes_on() -> None:
    operator = ScriptedOperator(replicas=0)
    lose(operator, "SignalLost")
    await operator.tick(30)
    operator.signals.lost = ""
    operator.load(40)
    await operator.tick()
    assert operator.cluster.set_to == [1, 3]
