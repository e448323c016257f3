"""The spec of a StreamScaler is read as its definition in the chart validates it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.operator.api_server import CRD

from heliograph_operator.model import ScalerSpec, Target
from heliograph_operator.spec import KINDS, MOST_CONSUMERS, NUMBERS, Number, parse

SPEC = {
    "target": {"kind": "Deployment", "name": "thumbnailer"},
    "stream": "WORK",
    "consumers": ["thumbnails", "thumbnails-large"],
    "maxReplicas": 8,
}


def test_what_is_missing_has_the_defaults() -> None:
    assert parse(SPEC) == ScalerSpec(
        target=Target("Deployment", "thumbnailer"),
        stream="WORK",
        consumers=("thumbnails", "thumbnails-large"),
        min_replicas=1,
        max_replicas=8,
        drain_seconds=20,
        stabilization_seconds=90,
        utilization=0.8,
        slots=1,
        service_seconds=0.5,
        dry_run=False,
    )


def test_what_is_there_is_taken() -> None:
    given_spec = {
        "target": {"kind": "StatefulSet", "name": "a.b-1"},
        "minReplicas": 0,
        "drainSeconds": 5,
        "stabilizationSeconds": 60,
        "utilizationPercent": 100,
        "slots": 4,
        "serviceSeconds": 0.25,
        "dryRun": True,
    }
    found = parse(SPEC | given_spec)
    assert found.target == Target("StatefulSet", "a.b-1")
    assert (found.min_replicas, found.drain_seconds, found.stabilization_seconds) == (0, 5, 60)
    assert (found.utilization, found.slots, found.service_seconds, found.dry_run) == (1.0, 4, 0.25, True)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"maxReplicas": 1, "minReplicas": 2}, "raise maxReplicas or lower minReplicas"),
        ({"maxReplicas": None}, "spec.maxReplicas must be a whole number"),
        ({"maxReplicas": 0, "minReplicas": 0}, "spec.maxReplicas must be at least 1 and at most 1000"),
        ({"slots": 1.5}, "spec.slots must be a whole number"),
        ({"slots": True}, "spec.slots must be a whole number"),
        ({"drainSeconds": "20"}, "spec.drainSeconds must be a whole number"),
        ({"drainSeconds": math.inf}, "spec.drainSeconds must be a whole number"),
        ({"serviceSeconds": 0}, "spec.serviceSeconds must be above 0 and at most 86400"),
        ({"serviceSeconds": math.nan}, "spec.serviceSeconds must be above 0"),
        ({"dryRun": "yes"}, "spec.dryRun must be true or false"),
        ({"target": None}, "spec.target.kind must be Deployment or StatefulSet"),
        ({"target": {"kind": "DaemonSet", "name": "a"}}, "spec.target.kind must be"),
        ({"target": {"kind": "Deployment", "name": "a/b"}}, "spec.target.name must be the name alone"),
        ({"target": {"kind": "Deployment", "name": "a\n"}}, "spec.target.name must be the name alone"),
        ({"stream": "work.>"}, "spec.stream must be the name alone"),
        ({"consumers": "thumbnails"}, "spec.consumers must name 1 to 20 consumers"),
        ({"consumers": []}, "spec.consumers must name 1 to 20 consumers"),
        ({"consumers": ["a", "b", "a"]}, "list each one once"),
        ({"consumers": ["*"]}, "spec.consumers must be the name alone"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_an_older_definition_let_through_is_an_error(edit: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(SPEC | edit)


def test_bounds_and_defaults_are_those_of_the_definition() -> None:
    [version] = yaml.safe_load(CRD.read_text(encoding="utf-8"))["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    numbers = {
        name: Number(
            field["minimum"],
            field["maximum"],
            field.get("default"),
            whole=field["type"] == "integer",
            above=field.get("exclusiveMinimum", False),
        )
        for name, field in spec["properties"].items()
        if field["type"] in {"integer", "number"}
    }
    assert numbers == NUMBERS
    assert spec["properties"]["target"]["properties"]["kind"]["enum"] == list(KINDS)
    assert spec["properties"]["consumers"]["maxItems"] == MOST_CONSUMERS
    required = {name for name, number in NUMBERS.items() if number.default is None}
    assert set(spec["required"]) == required | {"target", "stream", "consumers"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aZ9-_.*\n", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "name", "x"]), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*SPEC, *NUMBERS, "dryRun", "later"]), _JSON))
def test_whatever_is_there_it_parses_or_says_what_is_wrong(edit: dict[str, Any]) -> None:
    wrong = ""
    try:
        found = parse(SPEC | edit)
    except ValueError as error:
        wrong = str(error)
    if wrong:
        assert wrong.startswith("spec.")
    else:
        assert 0 <= found.min_replicas <= found.max_replicas
        assert 0 < found.utilization <= 1
