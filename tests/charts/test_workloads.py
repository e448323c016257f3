"""What every workload must have, whatever its component."""

from __future__ import annotations

from typing import Any

import pytest
from tests.charts.support import COMPONENTS, ROOT, Manifest, Render, environment, pick, pod_of, yaml

PRODUCTION = ("k8s/production.yaml",)


def test_every_component_has_a_deployment_and_those_with_clients_a_service(render: Render) -> None:
    manifests = render()
    assert {one["metadata"]["name"] for one in manifests if one["kind"] == "Deployment"} == {
        f"heliograph-{name}" for name in COMPONENTS
    }
    assert {one["metadata"]["name"] for one in manifests if one["kind"] == "Service"} == {
        f"heliograph-{name}" for name, component in COMPONENTS.items() if component.clients
    }


def test_every_section_with_an_image_is_a_components() -> None:
    values = yaml.safe_load((ROOT / "charts/heliograph/values.yaml").read_text(encoding="utf-8"))
    sections = {name for name, keys in values.items() if isinstance(keys, dict) and "image" in keys}
    assert sections == COMPONENTS.keys()
    assert {name: values[name]["image"]["repository"] for name in sections} == {
        name: f"heliograph/{name}" for name in sections
    }


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    return [one for one in manifests if one["kind"] in {"Deployment", "StatefulSet", "Job", "Pod"}]


@pytest.fixture(scope="module", params=["trial", "production", "stack"])
def everything(request: pytest.FixtureRequest, render: Render) -> list[Manifest]:
    if request.param == "stack":
        return render(chart="heliograph-stack", files=())
    return render(files=(f"k8s/{request.param}.yaml",))


def test_every_pod_fits_the_restricted_level(everything: list[Manifest]) -> None:
    for workload in workloads(everything):
        pod = pod_of(workload)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        # Only the operator talks to the API server.
        assert pod["automountServiceAccountToken"] is (workload["metadata"]["name"] == "heliograph-operator")
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            assert ":" in container["image"]
            assert not container["image"].endswith(":latest")


def test_every_pod_is_covered_by_exactly_one_network_policy(everything: list[Manifest]) -> None:
    policies = [one["spec"]["podSelector"]["matchLabels"] for one in everything if one["kind"] == "NetworkPolicy"]
    for workload in workloads(everything):
        labels = (
            workload["metadata"]["labels"]
            if workload["kind"] == "Pod"
            else workload["spec"]["template"]["metadata"]["labels"]
        )
        assert sum(policy.items() <= labels.items() for policy in policies) == 1, workload["metadata"]["name"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_services_are_probed_and_given_time(render: Render, component: str) -> None:
    deployment = pick(render(), "Deployment", f"heliograph-{component}")
    pod, container = pod_of(deployment), pod_of(deployment)["containers"][0]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["startupProbe"]["httpGet"]["path"] == "/livez"
    drain = float(environment(deployment)["HELIOGRAPH_DRAIN_SECONDS"])
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"] if component != "operator" else 0
    assert pod["terminationGracePeriodSeconds"] >= pause + drain + 5
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert {spread["topologyKey"] for spread in pod["topologySpreadConstraints"]} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }


def test_a_render_may_take_its_whole_time_after_the_signal(render: Render) -> None:
    variables = environment(pick(render(), "Deployment", "heliograph-thumbnailer"))
    assert float(variables["HELIOGRAPH_DRAIN_SECONDS"]) > float(variables["HELIOGRAPH_RENDER__WALL_SECONDS"])


@pytest.mark.parametrize("source", ["nats", "postgresql", "outbox"])
def test_where_work_comes_from_is_told_to_all_services(render: Render, source: str) -> None:
    manifests = render({"renderSource": source, "thumbnailer": {"scaler": {"enabled": source == "nats"}}})
    for component in COMPONENTS:
        told = environment(pick(manifests, "Deployment", f"heliograph-{component}"))
        assert told["HELIOGRAPH_RENDER_SOURCE"] == source
    assert (
        environment(pick(manifests, "Deployment", "heliograph-thumbnailer"))["HELIOGRAPH_RENDER__HOLD_SECONDS"] == "300"
    )


def test_only_who_needs_it_gets_a_credential(render: Render) -> None:
    manifests = render()
    for component, absent in {"notifier": {"postgres", "s3"}, "thumbnailer": {"auth"}}.items():
        deployment = pick(manifests, "Deployment", f"heliograph-{component}")
        mounted = str(pod_of(deployment)["volumes"])
        for name in absent:
            assert f"{name}-" not in mounted.replace("heliograph-stack", "")
            assert not any(variable.startswith(f"HELIOGRAPH_{name.upper()}") for variable in environment(deployment))


def test_credentials_are_files_and_never_values(render: Render) -> None:
    secret = {"auth": {"secret": "s" * 40, "existingSecret": {"name": ""}}}
    manifests = render(secret)
    for workload in workloads(manifests):
        assert "s" * 40 not in str(workload)
    assert environment(pick(manifests, "Deployment", "heliograph-gateway"))["HELIOGRAPH_AUTH__SECRET_FILE"].startswith(
        "/run/secrets/"
    )


def test_a_changed_credential_rolls_the_pods(render: Render) -> None:
    def template_of(secret: str) -> Any:
        manifests = render({"auth": {"secret": secret, "existingSecret": {"name": ""}}})
        return pick(manifests, "Deployment", "heliograph-gateway")["spec"]["template"]

    assert template_of("a" * 40) != template_of("b" * 40)
    assert template_of("a" * 40) == template_of("a" * 40)


def test_the_hook_needs_nothing_that_is_installed_after_it(render: Render) -> None:
    manifests = render({"nats": {"password": "n", "existingSecret": {"name": ""}}})
    hooks = [
        one
        for one in manifests
        if one["metadata"].get("annotations", {}).get("helm.sh/hook") == "pre-install,pre-upgrade"
    ]
    job = pick(hooks, "Job")
    names = {(one["kind"], one["metadata"]["name"]) for one in hooks}
    assert ("ServiceAccount", pod_of(job)["serviceAccountName"]) in names
    assert ("Secret", "heliograph-provision") in names
    sources = pod_of(job)["volumes"][1]["projected"]["sources"]
    used = {source["secret"]["name"] for source in sources} - {"heliograph-stack-credentials"}
    assert used == {"heliograph-provision"}
    weights = {one["kind"]: int(one["metadata"]["annotations"]["helm.sh/hook-weight"]) for one in hooks}
    assert all(weight < weights["Job"] for kind, weight in weights.items() if kind != "Job")


def test_the_database_is_waited_for_by_those_who_use_it(render: Render) -> None:
    manifests = render()
    waiting = {
        name for name in COMPONENTS if "initContainers" in pod_of(pick(manifests, "Deployment", f"heliograph-{name}"))
    }
    assert waiting == {name for name, component in COMPONENTS.items() if "postgres" in component.needs}


def test_an_autoscaled_deployment_has_no_replicas_of_its_own(render: Render) -> None:
    manifests = render(files=PRODUCTION)
    assert "replicas" not in pick(manifests, "Deployment", "heliograph-gateway")["spec"]
    assert pick(manifests, "HorizontalPodAutoscaler", "heliograph-gateway")["spec"]["minReplicas"] == 3
    assert "replicas" not in pick(manifests, "Deployment", "heliograph-thumbnailer")["spec"]
    assert pick(render(), "Deployment", "heliograph-importer")["spec"]["replicas"] == 2


def test_replicas_may_be_left_to_somebody_else(render: Render) -> None:
    values = {"thumbnailer": {"replicas": None, "scaler": {"enabled": False}}}
    assert "replicas" not in pick(render(values), "Deployment", "heliograph-thumbnailer")["spec"]


def test_one_replica_has_no_disruption_budget_that_would_block_drains(render: Render) -> None:
    budgets = {
        one["metadata"]["name"] for one in render({"gateway": {"replicas": 1}}) if one["kind"] == "PodDisruptionBudget"
    }
    assert budgets == {f"heliograph-{name}" for name in COMPONENTS.keys() - {"gateway"}}


def test_a_digest_takes_the_place_of_the_tag(render: Render) -> None:
    digest = "sha256:" + "0" * 64
    manifests = render({"image": {"registry": "registry.test/a", "tag": "2"}, "gateway": {"image": {"digest": digest}}})
    images = {
        name: pod_of(pick(manifests, "Deployment", f"heliograph-{name}"))["containers"][0]["image"]
        for name in COMPONENTS
    }
    assert images["gateway"] == f"registry.test/a/heliograph/gateway@{digest}"
    assert images["notifier"] == "registry.test/a/heliograph/notifier:2"


@pytest.mark.parametrize("component", COMPONENTS)
def test_everything_that_an_operator_may_add_arrives(render: Render, component: str) -> None:
    own = {
        "extraEnv": [{"name": "A", "value": "1"}],
        "extraEnvFrom": [{"configMapRef": {"name": "b"}}],
        "extraVolumes": [{"name": "c", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "c", "mountPath": "/c"}],
        "extraContainers": [{"name": "side", "image": "side:1"}],
        "podLabels": {"d": "e"},
        "podAnnotations": {"f": "g"},
        "nodeSelector": {"h": "i"},
        "tolerations": [{"key": "j", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "k",
        "runtimeClassName": "l",
        "serviceAccountAnnotations": {"m": "n"},
    }
    manifests = render({component: own})
    template = pick(manifests, "Deployment", f"heliograph-{component}")["spec"]["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    assert {"name": "A", "value": "1"} in container["env"]
    assert container["envFrom"] == own["extraEnvFrom"]
    assert own["extraVolumes"][0] in pod["volumes"]  # type: ignore[index]
    assert own["extraVolumeMounts"][0] in container["volumeMounts"]  # type: ignore[index]
    assert pod["containers"][1] == {"name": "side", "image": "side:1"}
    assert template["metadata"]["labels"]["d"] == "e"
    assert template["metadata"]["annotations"]["f"] == "g"
    for key in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "runtimeClassName"):
        assert pod[key] == own[key]
    account = pick(manifests, "ServiceAccount", f"heliograph-{component}")
    assert account["metadata"]["annotations"] == {"m": "n"}


def test_security_can_be_left_to_the_platform(render: Render) -> None:
    own = {"defaults": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}}
    context = pod_of(pick(render(own), "Deployment", "heliograph-gateway"))["securityContext"]
    assert "runAsUser" not in context
    assert context["runAsNonRoot"] is True


def test_labels_and_annotations_reach_every_object(render: Render) -> None:
    for manifest in render({"commonLabels": {"team": "x"}, "commonAnnotations": {"note": "y"}}):
        assert manifest["metadata"]["labels"]["team"] == "x", manifest["kind"]
        assert manifest["metadata"]["annotations"]["note"] == "y", manifest["kind"]


def test_extra_objects_are_templates(render: Render) -> None:
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-a"}},
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Namespace }}-b"}',
    ]
    names = {one["metadata"]["name"] for one in render({"extraObjects": objects}) if one["kind"] == "ConfigMap"}
    assert names == {"heliograph-a", "pictures-b"}


@pytest.mark.parametrize("enabled", [True, False])
def test_older_clients_are_served_by_both_or_by_none(render: Render, enabled: bool) -> None:
    manifests = render({"compat": {"enabled": enabled, "anonymousOwner": "kiosk"}})
    for component in ("gateway", "notifier"):
        told = environment(pick(manifests, "Deployment", f"heliograph-{component}"))
        assert told["HELIOGRAPH_COMPAT__ENABLED"] == str(enabled).lower()
    gateway = environment(pick(manifests, "Deployment", "heliograph-gateway"))
    assert gateway["HELIOGRAPH_COMPAT__ANONYMOUS_OWNER"] == "kiosk"


def test_nobody_is_let_in_without_a_token_unless_it_is_said(render: Render) -> None:
    gateway = environment(pick(render(files=PRODUCTION), "Deployment", "heliograph-gateway"))
    assert gateway["HELIOGRAPH_COMPAT__ANONYMOUS_OWNER"] == ""
