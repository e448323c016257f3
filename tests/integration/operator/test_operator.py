"""The operator on a real API server and a real NATS: what it does, and how it holds and recovers."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from lightkube.core.exceptions import ApiError
from tests.integration.operator.api_server import GROUP, ApiServer
from tests.integration.operator.operators import (
    CONSUMER,
    NAME,
    STREAM,
    TARGET,
    ScaledWorkload,
    failed_checks,
    operator,
    reporting,
)
from tests.polling import until

from heliograph_common.clock import rfc3339
from heliograph_common.runtime.health import Health
from heliograph_common.telemetry import metrics

pytestmark = pytest.mark.xdist_group(GROUP)

COST = "controller.kubernetes.io/pod-deletion-cost"


def value(metric: str) -> float | None:
    """What is exported of the scaler."""
    return metrics.REGISTRY.get_sample_value(metric, {"scaler": NAME})


async def test_from_creation_to_deletion(world: ScaledWorkload, monkeypatch: pytest.MonkeyPatch) -> None:
    async with operator(world, monkeypatch, tick_seconds=1.0):
        await world.create_scaler()
        await world.until_condition("Ready")
        began = time.monotonic()
        await world.jobs.send(40)
        await world.until_replicas(3, 20)
        sys.stdout.write(f"wake decision after {time.monotonic() - began:.2f} s\n")

        with pytest.raises(ApiError):
            await world.namespace.edit_scaler(NAME, maxReplicas=0)
        await world.namespace.edit_scaler(NAME, drainSeconds=5, maxReplicas=10)
        await world.until_replicas(10)
        await world.namespace.set_replicas(TARGET, 1)  # by hand
        await world.until_replicas(10)

        status = await world.status()
        assert status["observedGeneration"] == 2
        assert status["decisions"][0]["from"] == 0
        assert [(one["from"], one["to"]) for one in status["decisions"]][-2:] == [(3, 10), (1, 10)]
        metadata = (await world.namespace.scaler(NAME))["metadata"]
        assert "annotations" not in metadata
        assert "finalizers" not in metadata
        said = world.namespace.kubectl("describe", "streamscaler", NAME)
        assert "ScaledUp" in said
        assert "3 -> 10 replicas (" in said

        await world.namespace.delete_scaler(NAME)
        await until(lambda: value("heliograph_operator_replicas") is None)
        await world.namespace.set_replicas(TARGET, 1)
        await world.jobs.send(1)
    assert await world.replicas() == 1
    assert set(await world.events()) == {"ScaledUp"}


async def test_busy_pods_stay_when_it_scales_in(world: ScaledWorkload, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.namespace.set_replicas(TARGET, 4)
    for name in "abcd":
        await world.namespace.create_pod(name, TARGET.name)
    await world.namespace.annotate("a", {COST: "5"})
    await world.create_scaler(stabilizationSeconds=10)
    async with reporting(world.jobs, "b", busy=2), operator(world, monkeypatch):
        await world.until_replicas(2, 60)
        assert await world.namespace.annotations("a") == {COST: "0"}
        assert await world.namespace.annotations("b") == {COST: "2"}
        assert await world.namespace.annotations("c") == {}


async def test_pods_that_are_ready_cost_what_they_did_where_no_worker_is_heard(
    world: ScaledWorkload, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.namespace.set_replicas(TARGET, 4)
    await world.namespace.create_pod("a", TARGET.name)
    await world.namespace.annotate("a", {COST: "5"})
    await world.create_scaler(stabilizationSeconds=10)
    async with operator(world, monkeypatch):
        await world.until_replicas(2, 60)
        assert await world.namespace.annotations("a") == {COST: "5"}


async def test_an_api_server_that_restarts(
    world: ScaledWorkload, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.create_scaler()
    await world.namespace.create_scaler("other", TARGET, stream=STREAM, consumers=[CONSUMER], dryRun=True)
    async with operator(world, monkeypatch) as health:
        await world.until_condition("Ready")
        api_server.stop()
        await until(lambda: failed_checks(health), 60)
        await world.jobs.send(40)
        api_server.start()
        await world.namespace.delete_scaler("other")  # a watch that begins again does not tell that
        await world.until_replicas(3, 60)
        labels = {"scaler": "other", "condition": "Ready"}
        await until(lambda: metrics.REGISTRY.get_sample_value("heliograph_operator_condition", labels) is None, 60)
        await until(lambda: _all_well(health), 60)


async def _all_well(health: Health) -> bool:
    return not await failed_checks(health)


async def test_a_target_that_vanishes_and_comes_back(world: ScaledWorkload, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.create_scaler()
    async with operator(world, monkeypatch):
        await world.until_condition("Ready")
        await world.namespace.delete_workload(TARGET)
        await world.until_condition("Ready", "False", reason="TargetNotFound")
        await world.jobs.send(40)
        await world.namespace.create_workload(TARGET, 0)
        await world.until_replicas(3)
        await world.until_condition("Ready")
    assert sorted(set(await world.events())) == ["Ready", "ScaledUp", "TargetNotFound"]


async def test_a_consumer_that_is_paused_deleted_and_created_again(
    world: ScaledWorkload, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.jobs.send(40)
    await world.create_scaler()
    async with operator(world, monkeypatch):
        await world.until_replicas(3)
        manager = world.jobs.bus.client.jsm()
        until_then = rfc3339(datetime.now(UTC) + timedelta(minutes=5))
        await manager.pause_consumer(STREAM, CONSUMER, until_then)
        await world.until_condition("ConsumerPaused")
        await manager.resume_consumer(STREAM, CONSUMER)
        await world.until_condition("ConsumerPaused", "False")
        await world.jobs.delete_consumer()
        missing = await world.until_condition("ConsumerMissing")
        assert CONSUMER in missing["message"]
        await world.until_condition("Ready", "False", reason="ConsumerMissing")
        await world.jobs.create_consumer()
        await world.until_condition("Ready")
    assert await world.replicas() == 3
    events = [event for event in await world.events() if event != "ScaledUp"]
    assert events == ["ConsumerFound", "ConsumerMissing", "ConsumerPaused", "ConsumerResumed"]


async def test_without_nats_it_holds_and_says_so(world: ScaledWorkload, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.jobs.send(40)
    await world.create_scaler(stabilizationSeconds=10)
    async with operator(world, monkeypatch) as health:
        await world.until_replicas(3)
        await world.nats.stop()
        lost = await world.until_condition("SignalLost")
        assert "Runbook: docs/runbooks/scaling.md#signallost" in lost["message"]
        assert "nats" in await failed_checks(health)
        assert (await world.status())["term"] == "Held"
        await world.namespace.set_replicas(TARGET, 5)
        await world.nats.start()
        await world.until_condition("SignalLost", "False")
        await world.jobs.finish()
        await world.until_replicas(3, 60)  # half of them at a time
    assert [event for event in await world.events() if event.startswith("Signal")] == ["SignalLost", "SignalRestored"]
