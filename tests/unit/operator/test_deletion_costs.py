"""Which pods count as idle when a workload is scaled in."""

from __future__ import annotations

import pytest
from tests.unit.operator.support import ScriptedCluster

from heliograph_operator.cluster.port import Pod
from heliograph_operator.deletion_costs import spare_busy_pods


@pytest.mark.parametrize(
    ("busy", "ready", "costs"),
    [
        ({"other": 0}, True, {"pod": 0}),
        ({"other": 1}, False, {"pod": 0}),
        ({}, False, {"pod": 0}),
        ({}, True, {}),
        ({"pod": 2}, True, {"pod": 2}),
        ({"pod": 2}, False, {"pod": 2}),
    ],
)
async def test_a_pod_that_was_never_heard_is_idle_only_if_others_were_or_it_is_not_ready(
    busy: dict[str, int], ready: bool, costs: dict[str, int]
) -> None:
    cluster = ScriptedCluster(pods_there=[Pod("pod", 5, ready=ready, terminating=False)])
    assert await spare_busy_pods(cluster, "app=sample", busy, lambda: True) == len(costs)
    assert cluster.costs == costs
