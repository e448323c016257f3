"""The operator in the chart, and what it scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft4Validator
from scripts import chart_values
from tests.charts.support import COMPONENTS, ROOT, Manifest, Render, environment, pick, template, yaml

from heliograph_common.contracts import streams, subjects
from heliograph_common.contracts.import_messages import FetchFile, ListFolder
from heliograph_common.contracts.messages import AnalyzeImage

PRODUCTION = ("k8s/production.yaml",)
CONSUMERS = {
    "thumbnailer": streams.THUMBNAILER,
    "analyzer": streams.consumers_of(AnalyzeImage),
    "importer": streams.consumers_of(ListFolder) + streams.consumers_of(FetchFile),
}
"""What each scaler looks at. Not the consumer of words: an hourly budget limits these, not the number of importers."""
EVERY = {name: {"scaler": {"enabled": True}} for name in CONSUMERS}
CRD = ROOT / "charts/heliograph/crds/streamscalers.yaml"
RULES = ROOT / "charts/heliograph/files/operator_rules.yaml"
SCALES = {"deployments/scale", "statefulsets/scale"}


def spec(manifests: list[Manifest], name: str) -> Manifest:
    found: Manifest = pick(manifests, "StreamScaler", f"heliograph-{name}")["spec"]
    return found


def definition() -> Manifest:
    """The schema of a scaler's spec in the CustomResourceDefinition."""
    (version,) = yaml.safe_load(CRD.read_text(encoding="utf-8"))["spec"]["versions"]
    found: Manifest = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def rules(manifests: list[Manifest]) -> list[Manifest]:
    found: list[Manifest] = pick(manifests, "Role", "heliograph-operator")["rules"]
    return found


def test_thumbnailers_alone_are_scaled_unless_it_is_said(render: Render) -> None:
    manifests = render()
    assert {one["metadata"]["name"] for one in manifests if one["kind"] == "StreamScaler"} == {"heliograph-thumbnailer"}
    assert "replicas" not in pick(manifests, "Deployment", "heliograph-thumbnailer")["spec"]


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_scaler_names_the_deployment_and_the_consumers_that_feed_it(render: Render, name: str) -> None:
    manifests = render(EVERY)
    found = spec(manifests, name)
    deployment = pick(manifests, "Deployment", found["target"]["name"])
    assert found["target"]["kind"] == deployment["kind"]
    assert deployment["metadata"]["labels"]["app.kubernetes.io/component"] == name
    assert "replicas" not in deployment["spec"]
    assert found["stream"] == subjects.WORK_STREAM
    assert found["consumers"] == [consumer.durable for consumer in CONSUMERS[name]]


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_scaler_starts_from_the_slots_that_the_pods_have(render: Render, name: str) -> None:
    sets: dict[str, Any] = {
        "thumbnailer": {"render": {"slots": 3, "memoryMiB": 1024}},
        "analyzer": {"slots": 3},
        "importer": {"slots": 3, "listSlots": 2},
    }
    manifests = render({name: {**sets[name], "scaler": {"enabled": True}}})
    variables = environment(pick(manifests, "Deployment", f"heliograph-{name}"))
    prefix = {"thumbnailer": "RENDER"}.get(name, name.upper())
    told = [int(variables.get(f"HELIOGRAPH_{prefix}__{part}", 0)) for part in ("SLOTS", "LIST_SLOTS")]
    assert spec(manifests, name)["slots"] == sum(told) > 1


def test_what_is_said_of_a_scaler_reaches_it(render: Render) -> None:
    said = {
        "minReplicas": 0,
        "maxReplicas": 7,
        "drainSeconds": 11,
        "stabilizationSeconds": 61,
        "utilizationPercent": 55,
        "dryRun": True,
    }
    found = spec(render({"thumbnailer": {"scaler": said}}), "thumbnailer")
    assert said.items() <= found.items()


@pytest.mark.parametrize("files", [("k8s/trial.yaml",), ("k8s/trial.yaml", "k8s/dev.yaml"), PRODUCTION])
def test_scalers_fit_the_definition_and_set_all_of_it(render: Render, files: tuple[str, ...]) -> None:
    manifests = render(EVERY, files=files)
    for name in CONSUMERS:
        found = spec(manifests, name)
        assert not list(Draft4Validator(definition()).iter_errors(found))
        assert found.keys() == definition()["properties"].keys()


@pytest.mark.parametrize("name", CONSUMERS)
def test_values_allow_what_the_definition_allows_and_no_more(name: str) -> None:
    fields = definition()["properties"]
    source = (ROOT / "charts/heliograph/values.yaml").read_text(encoding="utf-8")
    schema = chart_values.schema_of(list(chart_values.keys(source)))
    scaler = schema["properties"][name]["properties"]["scaler"]["properties"]
    for key in scaler.keys() - {"enabled", "dryRun"}:
        for bound in ("minimum", "maximum"):
            # Where workers themselves take work from PostgreSQL to the queue, one has to run.
            allowed = (
                1 if (key, bound) == ("minReplicas", "minimum") and name != "thumbnailer" else fields[key].get(bound)
            )
            assert scaler[key].get(bound) == allowed, (key, bound)


def test_a_pod_that_is_stopped_has_time_for_the_message_in_hand(render: Render) -> None:
    manifests = render(EVERY)
    for name, longest in {"thumbnailer": "RENDER__WALL_SECONDS", "analyzer": "OPENAI__TIMEOUT_SECONDS"}.items():
        deployment = pick(manifests, "Deployment", f"heliograph-{name}")
        grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > float(environment(deployment)[f"HELIOGRAPH_{longest}"])


def test_budgets_let_pods_of_scaled_workloads_go_one_by_one(render: Render) -> None:
    def budgets(most: int) -> set[str]:
        values = {"thumbnailer": {"scaler": {"minReplicas": min(most, 1), "maxReplicas": most}}}
        return {one["metadata"]["name"] for one in render(values) if one["kind"] == "PodDisruptionBudget"}

    assert "heliograph-thumbnailer" in budgets(10)
    assert "heliograph-thumbnailer" not in budgets(1)


def test_the_operator_has_the_rights_of_the_file_and_no_more(render: Render) -> None:
    def pairs(found: list[Manifest]) -> set[tuple[str, str, str]]:
        return {
            (group, resource, verb)
            for rule in found
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

    values = {"operator": {"targets": [{"kind": "StatefulSet", "name": "others"}]}}
    wanted = pairs(yaml.safe_load(RULES.read_text(encoding="utf-8")))
    assert pairs(rules(render(values))) == wanted
    assert pairs(rules(render())) == {pair for pair in wanted if pair[1] != "statefulsets/scale"}


def test_it_may_scale_only_what_is_scaled(render: Render) -> None:
    def names(values: Manifest) -> dict[str, list[str]]:
        found = rules(render(values))
        assert not [rule for rule in found if "resourceNames" not in rule and SCALES & set(rule["resources"])]
        return {rule["resources"][0]: rule["resourceNames"] for rule in found if SCALES & set(rule["resources"])}

    assert names({}) == {"deployments/scale": ["heliograph-thumbnailer"]}
    assert names(EVERY) == {"deployments/scale": [f"heliograph-{name}" for name in sorted(CONSUMERS)]}
    others = [{"kind": "Deployment", "name": "others"}, {"kind": "StatefulSet", "name": "more"}]
    assert names({"thumbnailer": {"scaler": {"enabled": False}}, "operator": {"targets": others}}) == {
        "deployments/scale": ["others"],
        "statefulsets/scale": ["more"],
    }
    assert names({"thumbnailer": {"scaler": {"enabled": False}}}) == {}


def test_it_may_change_no_lease_but_its_own(render: Render) -> None:
    manifests = render({"fullnameOverride": "pics"})
    found = [rule for rule in pick(manifests, "Role")["rules"] if rule["resources"] == ["leases"]]
    names = {verb: rule.get("resourceNames") for rule in found for verb in rule["verbs"]}
    assert names == {"get": ["pics-operator"], "update": ["pics-operator"], "create": None}
    assert pick(manifests, "Lease")["metadata"]["name"] == "pics-operator"


def test_the_role_is_bound_to_the_operator_alone(render: Render) -> None:
    manifests = render()
    binding = pick(manifests, "RoleBinding")
    assert binding["roleRef"]["name"] == pick(manifests, "Role")["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "heliograph-operator", "namespace": "pictures"}]
    assert not [one for one in manifests if one["kind"].startswith("ClusterRole")]


def test_the_operator_is_told_its_namespace_and_its_lease(render: Render) -> None:
    manifests = render({"operator": {"leaseSeconds": 15}, "fullnameOverride": "pics"})
    told = environment(pick(manifests, "Deployment", "pics-operator"))
    assert told["HELIOGRAPH_OPERATOR__NAMESPACE"] == "pictures"
    assert told["HELIOGRAPH_OPERATOR__LEASE"] == pick(manifests, "Lease")["metadata"]["name"] == "pics-operator"
    assert told["HELIOGRAPH_OPERATOR__LEASE_SECONDS"] == "15"
    assert "spec" not in pick(manifests, "Lease")  # an upgrade must not take it from its holder


def test_without_the_operator_there_is_no_trace_of_it(render: Render) -> None:
    off = {"operator": {"enabled": False}, "thumbnailer": {"scaler": {"enabled": False}}}
    manifests = render(off, files=("k8s/trial.yaml",)) + render(
        {**off, "importer": {"scaler": {"enabled": False}}, "analyzer": {"scaler": {"enabled": False}}},
        files=PRODUCTION,
    )
    traces = {"StreamScaler", "Role", "RoleBinding", "Lease", "CustomResourceDefinition"}
    for manifest in manifests:
        assert manifest["kind"] not in traces
        assert not manifest["metadata"]["name"].endswith("-operator")
        if manifest["kind"] == "PodMonitor":
            assert "operator" not in manifest["spec"]["selector"]["matchExpressions"][0]["values"]
    assert pick(render(off), "Deployment", "heliograph-thumbnailer")["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"operator": {"enabled": False}}, "set operator.enabled to true, or thumbnailer.scaler.enabled to false"),
        ({"thumbnailer": {"replicas": None}}, "set thumbnailer.scaler.enabled to false, or thumbnailer.replicas"),
        ({"thumbnailer": {"scaler": {"minReplicas": 11, "maxReplicas": 10}}}, "must not exceed"),
        ({"renderSource": "postgresql"}, "set renderSource to nats, or thumbnailer.scaler.enabled to false"),
        ({"operator": {"targets": [{"kind": "Job", "name": "x"}]}}, "use {kind: Deployment, name: …}"),
        ({"importer": {"scaler": {"enabled": True, "minReplicas": 0}}}, "minimum"),
        ({"analyzer": {"scaler": {"enabled": True, "minReplicas": 0}}}, "minimum"),
    ],
)
def test_what_cannot_work_is_refused(refusal: Callable[..., str], values: Any, remedy: str) -> None:
    assert remedy in refusal(values)


@pytest.mark.parametrize("name", CONSUMERS)
def test_no_more_slots_are_scaled_to_than_a_consumer_delivers_messages(refusal: Callable[..., str], name: str) -> None:
    assert {consumer.max_ack_pending for consumer in CONSUMERS[name]} == {1000}
    by_component: dict[str, Manifest] = {
        "thumbnailer": {"render": {"slots": 4}},
        "analyzer": {"slots": 4},
        "importer": {"slots": 3, "listSlots": 1},
    }
    slots = by_component[name]
    section = {**slots, "scaler": {"enabled": True, "maxReplicas": 251}}
    assert f"{name}.scaler.maxReplicas (251) times the slots of a pod (4) must not exceed 1000" in refusal(
        {name: section}
    )


def test_an_upgrade_without_the_definition_is_refused_with_the_command() -> None:
    def upgraded(*options: str, values: Manifest | None = None) -> tuple[int, str]:
        done = template("heliograph", ["k8s/trial.yaml"], values or {}, "--is-upgrade", *options)
        return done.returncode, done.stderr

    code, said = upgraded()
    assert code
    assert "helm show crds charts/heliograph | kubectl apply --server-side --force-conflicts -f -" in said
    assert upgraded("--api-versions", "heliograph.dev/v1/StreamScaler") == (0, "")
    off = {"operator": {"enabled": False}, "thumbnailer": {"scaler": {"enabled": False}}}
    assert upgraded(values=off) == (0, "")


def test_only_services_with_workers_have_a_scaler() -> None:
    facts = {name: yaml.safe_load((chart_values.COMPONENTS / f"{name}.yaml").read_text()) for name in COMPONENTS}
    assert {name for name, one in facts.items() if "scaler" in one} == CONSUMERS.keys()
    values = yaml.safe_load((ROOT / "charts/heliograph/values.yaml").read_text(encoding="utf-8"))
    assert {name for name in COMPONENTS if "scaler" in values[name]} == CONSUMERS.keys()
