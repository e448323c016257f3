"""One suite over the port ``Cluster``: its fake, and the adapter over a real API server with the operator's own rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from lightkube import KubeConfig
from lightkube.config.models import Cluster as ServerAddress
from lightkube.config.models import User
from tests.integration.operator.api_server import GROUP
from tests.integration.operator.namespaces import operator_namespace
from tests.ports.cluster_calls import CALLS, MINE, NOW, TARGET
from tests.ports.clusters import ClusterHarness, FakeClusterHarness, RealClusterHarness
from tests.unit.operator.fake_cluster import FakeEvent

from heliograph_operator.cluster.kubernetes import KubernetesCluster
from heliograph_operator.cluster.port import (
    ClusterUnavailable,
    Conflict,
    Forbidden,
    NotFound,
    Pod,
)
from heliograph_operator.model import Target


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.xdist_group(GROUP))])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ClusterHarness]:
    """Each; the real one has an empty namespace."""
    if request.param == "fake":
        yield FakeClusterHarness()
        return
    server = request.getfixturevalue("api_server")
    async with operator_namespace(server, tmp_path) as namespace, namespace.cluster() as cluster:
        yield RealClusterHarness(namespace, cluster)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
async def test_replicas_are_read_and_set_through_the_scale_subresource(harness: ClusterHarness, kind: str) -> None:
    target = Target(kind, "worker")
    await harness.create_workload(target, 2)
    await harness.set_existing(target, 1)
    before = await harness.cluster.scale(target)
    assert (before.wanted, before.existing, before.selector) == (2, 1, "app=worker")

    await harness.cluster.set_replicas(target, 0, before.version)
    after = await harness.cluster.scale(target)
    assert (after.wanted, after.existing) == (0, 1)
    assert after.version != before.version


async def test_replicas_are_not_set_over_the_change_of_another(harness: ClusterHarness) -> None:
    await harness.create_workload(TARGET, 2)
    before = await harness.cluster.scale(TARGET)
    await harness.set_replicas(TARGET, 4)
    with pytest.raises(Conflict):
        await harness.cluster.set_replicas(TARGET, 3, before.version)
    assert (await harness.cluster.scale(TARGET)).wanted == 4


async def test_a_version_meets_its_change_once(harness: ClusterHarness) -> None:
    await harness.create_workload(TARGET, 2)
    before = await harness.cluster.scale(TARGET)
    await harness.cluster.set_replicas(TARGET, 3, before.version)
    with pytest.raises(Conflict):
        await harness.cluster.set_replicas(TARGET, 4, before.version)


async def test_a_workload_that_is_not_there_is_not_found(harness: ClusterHarness) -> None:
    await harness.create_workload(TARGET, 1)
    for missing in (Target("Deployment", "other"), Target("StatefulSet", TARGET.name)):
        with pytest.raises(NotFound):
            await harness.cluster.scale(missing)
        with pytest.raises(NotFound):
            await harness.cluster.set_replicas(missing, 1, "1")


async def test_an_autoscaler_is_found_by_its_target(harness: ClusterHarness) -> None:
    assert await harness.cluster.autoscaler_of(TARGET) is None
    await harness.create_autoscaler("other", Target("Deployment", "gateway"))
    await harness.create_autoscaler("namesake", Target("StatefulSet", TARGET.name))
    assert await harness.cluster.autoscaler_of(TARGET) is None
    await harness.create_autoscaler("found", TARGET)
    assert await harness.cluster.autoscaler_of(TARGET) == "found"


async def test_pods_are_those_of_the_selector_that_are_not_finished(harness: ClusterHarness) -> None:
    await harness.create_pod("idle", "thumbnailer")
    await harness.create_pod("starting", "thumbnailer", ready=False, phase="Pending")
    await harness.create_pod("leaving", "thumbnailer", node="some-node")
    await harness.create_pod("done", "thumbnailer", phase="Succeeded")
    await harness.create_pod("failed", "thumbnailer", phase="Failed")
    await harness.create_pod("stranger", "gateway")
    await harness.terminate_pod("leaving")

    found = sorted(await harness.cluster.pods("app=thumbnailer"), key=lambda pod: pod.name)
    assert found == [
        Pod("idle", None, ready=True, terminating=False),
        Pod("leaving", None, ready=True, terminating=True),
        Pod("starting", None, ready=False, terminating=False),
    ]


async def test_no_selector_matches_no_pod(harness: ClusterHarness) -> None:
    """Where an API server would take it for all pods of the namespace."""
    await harness.create_pod("stranger", "gateway")
    assert list(await harness.cluster.pods("")) == []


async def test_a_deletion_cost_is_an_annotation_beside_others(harness: ClusterHarness) -> None:
    await harness.create_pod("one", "thumbnailer")
    await harness.annotate("one", team="pictures")
    for cost in (7, -2_147_483_647):
        await harness.cluster.set_deletion_cost("one", cost)
        [pod] = await harness.cluster.pods("app=thumbnailer")
        assert pod.deletion_cost == cost
    assert (await harness.annotations("one"))["team"] == "pictures"
    with pytest.raises(NotFound):
        await harness.cluster.set_deletion_cost("gone", 1)


async def test_a_status_replaces_the_one_before(harness: ClusterHarness) -> None:
    await harness.create_scaler("pictures", TARGET)
    assert not await harness.status("pictures")
    decision = {"time": "2026-01-01T00:00:00Z", "from": 1, "to": 3, "wanted": None}
    first = {"replicas": 3, "arrivalRate": 1.5, "serviceRate": None, "decisions": [decision, decision]}
    await harness.cluster.write_status("pictures", first)
    del decision["wanted"]
    assert await harness.status("pictures") == {"replicas": 3, "arrivalRate": 1.5, "decisions": [decision, decision]}

    await harness.cluster.write_status("pictures", {"replicas": 4})
    assert await harness.status("pictures") == {"replicas": 4}
    with pytest.raises(NotFound):
        await harness.cluster.write_status("gone", {"replicas": 4})


async def test_scalers_are_listed_whole(harness: ClusterHarness) -> None:
    assert list(await harness.cluster.scalers()) == []
    uids = {name: await harness.create_scaler(name, TARGET) for name in ("pictures", "words")}
    await harness.cluster.write_status("words", {"replicas": 4})
    found = {each["metadata"]["name"]: each for each in await harness.cluster.scalers()}
    assert {name: each["metadata"]["uid"] for name, each in found.items()} == uids
    assert found["pictures"]["metadata"]["generation"] == 1
    assert found["pictures"]["spec"]["target"] == {"kind": TARGET.kind, "name": TARGET.name}
    assert [found[name].get("status") for name in ("pictures", "words")] == [None, {"replicas": 4}]


async def test_events_are_about_the_scaler(harness: ClusterHarness) -> None:
    uid = await harness.create_scaler("pictures", TARGET)
    for _ in range(2):
        await harness.cluster.emit(
            "pictures", uid, kind="Warning", reason="SignalLost", action="Hold", message="NATS does not answer."
        )
    told = FakeEvent("pictures", uid, "Warning", "SignalLost", "Hold", "NATS does not answer.")
    assert await harness.events() == [told, told]


async def test_a_lease_is_created_read_and_renewed(harness: ClusterHarness) -> None:
    cluster = harness.cluster
    assert await cluster.lease("operator") is None
    created = await cluster.write_lease("operator", MINE)
    assert created.version
    assert created.uid
    assert replace(created, version="", uid="") == MINE
    assert await cluster.lease("operator") == created

    later = replace(created, holder="", seconds=1, renewed=NOW + timedelta(seconds=2), transitions=4, acquired=None)
    renewed = await cluster.write_lease("operator", later)
    assert renewed == replace(later, version=renewed.version)
    assert renewed.version != created.version
    assert await cluster.lease("operator") == renewed


async def test_of_two_who_write_a_lease_one_has_a_conflict(harness: ClusterHarness) -> None:
    created = await harness.cluster.write_lease("operator", MINE)
    with pytest.raises(Conflict):
        await harness.cluster.write_lease("operator", MINE)
    await harness.cluster.write_lease("operator", replace(created, transitions=9))
    with pytest.raises(Conflict):
        await harness.cluster.write_lease("operator", replace(created, transitions=10))
    found = await harness.cluster.lease("operator")
    assert found
    assert found.transitions == 9


async def test_a_lease_that_was_deleted_is_not_made_again_by_its_holder(harness: ClusterHarness) -> None:
    created = await harness.cluster.write_lease("operator", MINE)
    await harness.delete_lease("operator")
    assert await harness.cluster.lease("operator") is None
    with pytest.raises(Conflict):
        await harness.cluster.write_lease("operator", created)
    other = await harness.cluster.write_lease("operator", replace(MINE, holder="other"))
    with pytest.raises(Conflict):
        await harness.cluster.write_lease("operator", created)
    assert await harness.cluster.lease("operator") == other


async def test_all_scalers_are_listed_with_their_status(harness: ClusterHarness) -> None:
    assert await harness.cluster.scalers() == []
    uids = {name: await harness.create_scaler(name, TARGET) for name in ("one", "two")}
    await harness.cluster.write_status("two", {"replicas": 3})
    listed = {str(each["metadata"]["name"]): each for each in await harness.cluster.scalers()}
    assert {name: each["metadata"]["uid"] for name, each in listed.items()} == uids
    assert listed["one"]["metadata"]["generation"] == 1
    assert listed["two"]["status"] == {"replicas": 3}


@pytest.mark.parametrize("right", CALLS)
async def test_a_call_without_its_right_is_forbidden_and_names_it(harness: ClusterHarness, right: str) -> None:
    await harness.deny(right)
    with pytest.raises(Forbidden) as denied:
        await CALLS[right](harness.cluster)
    assert denied.value.right == right


async def test_without_the_api_server_every_call_says_so() -> None:
    """Nothing listens there."""
    config = KubeConfig.from_one(cluster=ServerAddress(server="https://127.0.0.1:9"), user=User(token="secret"))
    adapter = KubernetesCluster("default", "me", config.get())
    fake = FakeClusterHarness().fake
    fake.unavailable = True
    for cluster in (adapter, fake):
        for right, call in CALLS.items():
            with pytest.raises(ClusterUnavailable) as failed:
                await call(cluster)
            assert right in str(failed.value)
            assert "secret" not in str(failed.value)
    await adapter.close()
