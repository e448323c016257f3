"""What is refused is counted, named by the check, and logged once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.unit.operator.fake_cluster import FakeCluster

from heliograph_common.errors import Permanent
from heliograph_common.telemetry import metrics
from heliograph_operator.cluster.observed import RECENT_SECONDS, ObservedCluster
from heliograph_operator.cluster.port import Forbidden
from heliograph_operator.model import Target

DENIED, ALLOWED = Target("Deployment", "denied"), Target("Deployment", "allowed")


class PerWorkload(FakeCluster):
    """A Role that names the workloads."""

    async def set_replicas(self, target: Target, replicas: int, version: str) -> None:
        if target == DENIED:
            raise Forbidden("patch deployments/scale", "no")


def failures() -> float:
    """Counted so far."""
    labels = {"call": "set_replicas", "reason": "forbidden"}
    return metrics.REGISTRY.get_sample_value("heliograph_operator_request_failures_total", labels) or 0


async def test_a_refusal_is_logged_once_and_named_for_a_while() -> None:
    seconds = 0.0
    cluster = ObservedCluster(PerWorkload(), clock=lambda: seconds)
    before = failures()
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(Forbidden):
                await cluster.set_replicas(DENIED, 1, "1")
            await cluster.set_replicas(ALLOWED, 1, "1")
    assert [log["event"] for log in logs] == ["right missing"]
    assert failures() - before == 3
    with pytest.raises(Permanent, match="patch deployments/scale"):
        await cluster.check()
    seconds = RECENT_SECONDS
    await cluster.check()


class PerScaler(FakeCluster):
    """A Role that names the scalers, and lacks two rights for one of them."""

    right = "patch streamscalers/status"

    async def write_status(self, scaler: str, status: Mapping[str, Any]) -> None:
        if scaler == "denied":
            raise Forbidden(self.right, "no")


async def test_one_that_is_allowed_and_one_that_is_denied_do_not_alternate() -> None:
    fake = PerScaler()
    cluster = ObservedCluster(fake)
    with capture_logs() as logs:
        for right in ("patch streamscalers/status", "create streamscalers") * 3:
            fake.right = right
            with pytest.raises(Forbidden):
                await cluster.write_status("denied", {})
            await cluster.write_status("allowed", {})
    assert [log["right"] for log in logs] == ["patch streamscalers/status", "create streamscalers"]
    with pytest.raises(Permanent, match="create streamscalers, patch streamscalers/status"):
        await cluster.check()


async def test_a_right_that_is_granted_again_is_said() -> None:
    fake = FakeCluster()
    cluster = ObservedCluster(fake)
    fake.denied = {"list pods"}
    with pytest.raises(Forbidden):
        await cluster.pods("app=a")
    fake.denied = set()
    with capture_logs() as logs:
        await cluster.pods("app=a")
        await cluster.pods("app=a")
    assert [log["event"] for log in logs] == ["right granted"]
    await cluster.check()
