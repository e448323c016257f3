"""The operator's rights are those that it uses: each one that it lacks is named, and with all of them it works."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.operator.api_server import WAITING_GROUP, Right, rights, rules
from tests.integration.operator.operators import (
    CONSUMER,
    STREAM,
    TARGET,
    ScaledWorkload,
    failed_checks,
    operator,
    reporting,
)
from tests.polling import until

from heliograph_common.runtime.health import Health
from heliograph_operator.model import Target

pytestmark = pytest.mark.xdist_group(WAITING_GROUP)

STATEFUL = Target("StatefulSet", "importer")
WATCH = ("heliograph.dev", "streamscalers", "watch")


def name_of(right: Right) -> str:
    """As messages have it: ``patch deployments/scale``."""
    return f"{right[2]} {right[1]}"


def granting(granted: list[Right]) -> list[dict[str, Any]]:
    """As rules of a Role."""
    return [{"apiGroups": [group], "resources": [resource], "verbs": [verb]} for group, resource, verb in granted] or [
        {"apiGroups": [""], "resources": ["bindings"], "verbs": ["get"]}
    ]


async def test_each_right_is_needed_and_named(world: ScaledWorkload, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.namespace.create_workload(STATEFUL, 4)
    await world.namespace.create_pod("importer-0", STATEFUL.name)
    await world.namespace.annotate("importer-0", {"controller.kubernetes.io/pod-deletion-cost": "3"})
    await world.create_scaler()
    await world.jobs.send(40)
    idle = {"stream": STREAM, "consumers": ["idle"], "minReplicas": 0, "stabilizationSeconds": 10}
    await world.jobs.bus.jetstream.add_consumer(STREAM, durable_name="idle", filter_subject="jobs.none")
    await world.namespace.create_scaler("imports", STATEFUL, **idle)
    assert CONSUMER != "idle"

    missing = rights(rules())
    granted: list[Right] = []
    await world.namespace.grant(granting(granted))
    heard = reporting(world.jobs, "importer-1", busy=0, consumer="idle")
    async with heard, operator(world, monkeypatch) as health:
        while missing:
            right = await until(lambda: _named(health, missing), 60, every=0.1)
            granted.append(right)
            missing.remove(right)
            await world.namespace.grant(granting(granted))
        await until(lambda: _well(health), 60, every=0.1)
        await world.until_replicas(3)
        assert await world.namespace.replicas(TARGET) == 3
        costs = await world.namespace.annotations("importer-0")
        assert costs["controller.kubernetes.io/pod-deletion-cost"] == "0"


async def _named(health: Health, missing: list[Right]) -> Right | None:
    """A right that a check says to be missing; it is asked for only those that are."""
    said = await failed_checks(health)
    denied = said.get("rights", "").partition("lacks: ")[2].partition(". ")[0].split(", ")
    for right in missing:
        if name_of(right) in denied or (right == WATCH and "cannot watch" in said.get("watch", "")):
            return right
    assert not set(denied) - {""} - {name_of(right) for right in rights(rules())}, denied
    return None


async def _well(health: Health) -> bool:
    return not await failed_checks(health)


async def test_a_right_that_is_taken_away_is_shown(world: ScaledWorkload, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.create_scaler()
    async with operator(world, monkeypatch) as health:
        await world.until_condition("Ready")
        taken = ("apps", "deployments/scale", "patch")
        await world.namespace.grant(granting([right for right in rights(rules()) if right != taken]))
        await world.jobs.send(40)
        shown = await world.until_condition("Ready", "False", reason="AccessDenied")
        assert "patch deployments/scale" in shown["message"]
        assert "patch deployments/scale" in (await failed_checks(health))["rights"]
        assert await world.replicas() == 0
        await world.namespace.grant(rules())
        await world.until_replicas(3)
        await world.until_condition("Ready")
        assert await _well(health)
    assert sorted(set(await world.events())) == ["AccessDenied", "Ready", "ScaledUp"]
