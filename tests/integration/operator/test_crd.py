"""The resource StreamScaler: what the API server takes, what it refuses with which words, and what kubectl shows of it."""

from __future__ import annotations

from typing import Any

import pytest
from lightkube.core.exceptions import ApiError
from lightkube.types import PatchType
from tests.integration.operator.api_server import GROUP
from tests.integration.operator.namespaces import OperatorNamespace, StreamScaler

from heliograph_operator.model import Target

pytestmark = pytest.mark.xdist_group(GROUP)

TARGET = Target("Deployment", "thumbnailer")
NAME = "thumbnails"


async def test_what_is_left_out_has_the_documented_defaults(operator_namespace: OperatorNamespace) -> None:
    created = await operator_namespace.create_scaler(NAME, TARGET, consumers=["a", "B-2_c"])
    assert created["spec"] == {
        "target": {"kind": "Deployment", "name": "thumbnailer"},
        "stream": "WORK",
        "consumers": ["a", "B-2_c"],
        "minReplicas": 1,
        "maxReplicas": 10,
        "drainSeconds": 20,
        "stabilizationSeconds": 90,
        "utilizationPercent": 80,
        "slots": 1,
        "serviceSeconds": 0.5,
        "dryRun": False,
    }


async def test_the_ends_of_every_range_are_valid(operator_namespace: OperatorNamespace) -> None:
    least = {
        "minReplicas": 0,
        "maxReplicas": 1,
        "drainSeconds": 1,
        "stabilizationSeconds": 10,
        "utilizationPercent": 10,
        "serviceSeconds": 0.001,
    }
    most = {
        "minReplicas": 1000,
        "maxReplicas": 1000,
        "drainSeconds": 3600,
        "stabilizationSeconds": 3600,
        "utilizationPercent": 100,
        "slots": 10_000,
        "serviceSeconds": 86_400,
        "consumers": [f"consumer-{number}" for number in range(20)],
        "target": {"kind": "StatefulSet", "name": "a.b-c"},
    }
    await operator_namespace.create_scaler(NAME, TARGET, **least)
    edited = await operator_namespace.edit_scaler(NAME, **most)
    assert edited["spec"] == {"stream": "WORK", "dryRun": False, **most}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"minReplicas": 11}, "maxReplicas is below minReplicas; raise maxReplicas or lower minReplicas"),
        ({"maxReplicas": 0, "minReplicas": 0}, "spec.maxReplicas in body should be greater than or equal to 1"),
        ({"maxReplicas": 1001}, "spec.maxReplicas in body should be less than or equal to 1000"),
        ({"maxReplicas": None}, "spec.maxReplicas: Required value"),
        ({"minReplicas": -1}, "spec.minReplicas in body should be greater than or equal to 0"),
        ({"consumers": ["a", "b", "a"]}, "a consumer is listed twice and would count twice; list each one once"),
        ({"consumers": []}, "spec.consumers in body should have at least 1 items"),
        ({"consumers": [f"c{number}" for number in range(21)]}, "must have at most 20 items"),
        ({"consumers": ["work.thumbnails"]}, "letters, digits, hyphens and underscores only; give a durable name"),
        ({"consumers": [""]}, "spec.consumers[0] in body should be at least 1 chars long"),
        ({"consumers": None}, "spec.consumers: Required value"),
        ({"stream": "work.>"}, "letters, digits, hyphens and underscores only; give a name, not a subject"),
        ({"stream": None}, "spec.stream: Required value"),
        ({"target": {"kind": "DaemonSet"}}, 'supported values: "Deployment", "StatefulSet"'),
        ({"target": {"name": "Deployment/thumbnailer"}}, "give the name alone, in lower case, without its kind"),
        ({"target": None}, "spec.target: Required value"),
        ({"drainSeconds": 0}, "spec.drainSeconds in body should be greater than or equal to 1"),
        ({"stabilizationSeconds": 0}, "spec.stabilizationSeconds in body should be greater than or equal to 10"),
        ({"utilizationPercent": 9}, "spec.utilizationPercent in body should be greater than or equal to 10"),
        ({"utilizationPercent": 101}, "spec.utilizationPercent in body should be less than or equal to 100"),
        ({"slots": 0}, "spec.slots in body should be greater than or equal to 1"),
        ({"serviceSeconds": 0}, "spec.serviceSeconds in body should be greater than 0"),
        ({"dryRun": "yes"}, 'spec.dryRun in body must be of type boolean: "string"'),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
async def test_an_invalid_edit_is_refused_with_what_to_do(
    operator_namespace: OperatorNamespace, edit: dict[str, Any], message: str
) -> None:
    await operator_namespace.create_scaler(NAME, TARGET)
    with pytest.raises(ApiError) as refused:
        await operator_namespace.edit_scaler(NAME, **edit)
    assert message in str(refused.value)


async def test_the_status_is_a_subresource(operator_namespace: OperatorNamespace) -> None:
    """Whoever may edit a scaler does not write its status by that, and a status does not count as an edit."""
    await operator_namespace.create_scaler(NAME, TARGET)
    admin = operator_namespace.admin
    ignored = await admin.patch(StreamScaler, NAME, {"status": {"replicas": 7}}, patch_type=PatchType.MERGE)
    assert ignored.status is None

    change = {"status": {"replicas": 7, "arrivalRate": 2.5}, "spec": {"slots": 9}}
    written = await admin.patch(StreamScaler.Status, NAME, change, patch_type=PatchType.MERGE)
    assert dict(written)["status"] == {"replicas": 7, "arrivalRate": 2.5}
    assert dict(written)["spec"]["slots"] == 1
    assert dict(written)["metadata"]["generation"] == 1


async def test_kubectl_shows_what_it_does_and_why(operator_namespace: OperatorNamespace) -> None:
    await operator_namespace.create_scaler(NAME, TARGET)
    status = {
        "replicas": 3,
        "wantedReplicas": 5,
        "term": "Drain",
        "backlog": 412,
        "inFlight": 6,
        "arrivalRate": 12.5,
        "serviceRate": 2.25,
        "lastScaleTime": "2026-01-01T00:00:00Z",
        "conditions": [
            {"type": "Scaling", "status": "True", "reason": "Wrong"},
            {"type": "Ready", "status": "False", "reason": "AccessDenied", "message": "Add patch deployments/scale."},
        ],
    }
    admin = operator_namespace.admin
    await admin.patch(StreamScaler.Status, NAME, {"status": status}, patch_type=PatchType.MERGE)

    header, row = operator_namespace.kubectl("get", "streamscalers").splitlines()
    assert header.split() == ["NAME", "TARGET", "REPLICAS", "WANTED", "BACKLOG", "TERM", "READY", "REASON", "AGE"]
    assert row.split()[:-1] == [NAME, "thumbnailer", "3", "5", "412", "Drain", "False", "AccessDenied"]

    header, row = operator_namespace.kubectl("get", "hss", "-o", "wide").splitlines()  # the short name
    wide = ["IN", "FLIGHT", "ARRIVALS/S", "SERVED/S", "LAST", "SCALE", "MESSAGE"]
    assert header.split()[9:] == wide
    shown = row.split()
    assert shown[9:12] == ["6", "12.5", "2.25"]
    assert shown[12].endswith(("d", "y"))
    assert " ".join(shown[13:]) == "Add patch deployments/scale."


async def test_kubectl_explain_describes_every_field(operator_namespace: OperatorNamespace) -> None:
    said = operator_namespace.kubectl("explain", "streamscalers", "--recursive")
    assert "<no description>" not in said
    assert "Seconds in which a backlog is to be worked off" in operator_namespace.kubectl(
        "explain", "streamscaler.spec.drainSeconds"
    )
