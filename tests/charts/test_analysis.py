"""Analyzers' settings, the key that may come late, where they may connect to, and the user service of gateways."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.charts.support import Manifest, Render, environment, pick, pod_of
from tests.polling import until

from heliograph_analyzer.models.connect import credentials_of
from heliograph_analyzer.profiles.registry import PROFILES
from heliograph_analyzer.settings import AnalyzerSettings

PRODUCTION = ("k8s/production.yaml",)
FOLDER = "/run/secrets/heliograph"
GROUPS = ("ANALYZER__", "OPENAI__", "LIMITS__")
KEY_FILE = "HELIOGRAPH_OPENAI__API_KEY_FILE"
SERVER = {"ports": [{"port": 8000}], "to": [{"podSelector": {"matchLabels": {"app": "vllm"}}}]}

Refusal = Callable[..., str]


def analyzer(manifests: list[Manifest]) -> Manifest:
    return pick(manifests, "Deployment", "heliograph-analyzer")


def read(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> AnalyzerSettings:
    for name, value in environment(analyzer(manifests)).items():
        if name.removeprefix("HELIOGRAPH_").startswith(GROUPS) and name != KEY_FILE:
            monkeypatch.setenv(name, value)
    return AnalyzerSettings()


def sources(workload: Manifest) -> list[Manifest]:
    """The Secrets of the mounted volume."""
    [volume] = [one for one in pod_of(workload)["volumes"] if one["name"] == "secrets"]
    return [source["secret"] for source in volume["projected"]["sources"]]


def egress(manifests: list[Manifest], component: str) -> list[Manifest]:
    rules: list[Manifest] = pick(manifests, "NetworkPolicy", f"heliograph-{component}")["spec"]["egress"]
    return rules


def public(rules: list[Manifest]) -> list[Manifest]:
    return [rule for rule in rules if "0.0.0.0/0" in str(rule)]


def test_by_default_settings_are_the_analyzers_own(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(render(), monkeypatch)

    for group in ("analyzer", "openai", "limits"):
        assert getattr(settings, group) == AnalyzerSettings.model_fields[group].default, group


def test_settings_can_be_set(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "analyzer": {
            "slots": 2, "window": 9, "maxAttempts": 3, "holdSeconds": 90.5, "maxDays": 0.5, "keepDays": 30, "patience": 0,
            "budgets": {"ownerTokensPerDay": 2_000_000, "installationTokensPerDay": 30_000_000},
            "openai": {
                "baseUrl": "http://vllm:8000/v1", "api": "chat", "model": "qwen", "detail": "low", "timeoutSeconds": 12.5,
                "prices": {"qwen*": {"input": 0.05, "output": 1, "cached_input": 0.01}},
            },
        },
    }  # fmt: skip
    settings = read(render(values), monkeypatch)

    own, openai = settings.analyzer, settings.openai
    assert (own.slots, own.window, own.max_attempts, own.hold_seconds, own.patience) == (2, 9, 3, 90.5, 0)
    assert (own.max_days, own.keep_days) == (0.5, 30)
    assert (own.owner_tokens_per_day, own.installation_tokens_per_day) == (2_000_000, 30_000_000)
    assert (openai.base_url, openai.api, openai.model) == ("http://vllm:8000/v1", "chat", "qwen")
    assert (openai.detail, openai.timeout_seconds) == ("low", 12.5)
    assert openai.prices["qwen*"].output == Decimal(1)
    assert "gpt-4.1-mini" in openai.prices  # they extend those of well-known models


def test_a_pod_starts_without_a_key_and_has_it_later(render: Render) -> None:
    deployment = analyzer(render())
    [key] = [source for source in sources(deployment) if source["name"] == "heliograph-openai"]
    assert key["optional"] is True
    assert key["items"] == [{"key": "api-key", "path": "openai-api-key"}]
    assert environment(deployment)[KEY_FILE] == f"{FOLDER}/openai-api-key"
    # A mount by subPath would never be updated.
    assert not [mount for mount in pod_of(deployment)["containers"][0]["volumeMounts"] if "subPath" in mount]
    assert [source["name"] for source in sources(deployment) if source.get("optional")] == ["heliograph-openai"]


async def test_the_key_is_taken_up_from_where_it_is_mounted(
    render: Render, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounted = Path(environment(analyzer(render()))[KEY_FILE])
    file = tmp_path / mounted.name
    monkeypatch.setenv(KEY_FILE, str(file))
    credentials = credentials_of(AnalyzerSettings().openai)  # does not wait for the file
    assert credentials.state() == "missing credentials"
    file.write_text("sk-late\n", encoding="utf-8")
    await until(lambda: credentials.current() == "sk-late")


def test_the_key_is_the_analyzers_alone_and_in_no_variable(render: Render) -> None:
    manifests = render(files=PRODUCTION)
    having = [one["metadata"]["name"] for one in manifests if "heliograph-openai" in str(one)]
    assert having == ["heliograph-analyzer"]
    assert "HELIOGRAPH_OPENAI__API_KEY" not in environment(analyzer(manifests))


def test_the_secret_can_have_another_name_or_be_left_out(render: Render) -> None:
    other = analyzer(render({"analyzer": {"existingSecret": {"name": "mine", "apiKeyKey": "k"}}}))
    [mine] = [source for source in sources(other) if source["name"] == "mine"]
    assert [item["key"] for item in mine["items"]] == ["k"]
    without = analyzer(render({"analyzer": {"existingSecret": {"name": ""}}}))
    assert KEY_FILE not in environment(without)
    assert "heliograph-openai" not in str(without)


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"existingSecret": {"apiKeyKey": ""}}, "analyzer.existingSecret.apiKeyKey is required"),
        ({"drainSeconds": 30}, "must exceed analyzer.openai.timeoutSeconds"),
        ({"holdSeconds": 139}, "must be at least twice analyzer.openai.timeoutSeconds"),
        ({"openai": {"baseUrl": "api.openai.com"}}, "use a URL with the version of the API"),
    ],
)
def test_what_cannot_work_is_refused(refusal: Refusal, values: dict[str, Any], remedy: str) -> None:
    assert remedy in refusal({"analyzer": values})


def test_analyzers_reach_public_addresses_at_the_port_of_the_model(render: Render) -> None:
    [rule] = public(egress(render(), "analyzer"))
    assert rule["ports"] == [{"port": 443}]
    [importers] = public(egress(render(), "importer"))
    assert rule["to"] == importers["to"]  # nothing private
    [rule] = public(egress(render({"analyzer": {"openai": {"baseUrl": "http://model.test:8443/v1"}}}), "analyzer"))
    assert rule["ports"] == [{"port": 8443}]


def test_a_model_in_the_cluster_takes_the_place_of_the_internet(render: Render) -> None:
    manifests = render({"networkPolicy": {"model": [SERVER]}})
    rules = egress(manifests, "analyzer")
    assert SERVER in rules
    assert not public(rules)
    others = ("gateway", "thumbnailer", "notifier", "importer")
    assert not [name for name in others if SERVER in egress(manifests, name)]
    assert public(egress(manifests, "importer"))


def test_profiles_of_the_gateway_are_those_of_the_analyzer(render: Render) -> None:
    gateway = environment(pick(render(), "Deployment", "heliograph-gateway"))
    assert gateway["HELIOGRAPH_GATEWAY__ANALYSIS_PROFILES"] == '["describe","food"]'
    assert {"describe", "food"} <= PROFILES.keys()


def test_the_user_service_is_the_gateways(render: Render) -> None:
    manifests = render(files=PRODUCTION)
    gateway = pick(manifests, "Deployment", "heliograph-gateway")
    variables = environment(gateway)
    assert variables["HELIOGRAPH_FOOD__USER_SERVICE_URL"] == "https://users.example.org"
    assert variables["HELIOGRAPH_FOOD__USER_SERVICE_TOKEN_FILE"] == f"{FOLDER}/food-user-service-token"
    assert {"name": "heliograph-food", "items": [{"key": "token", "path": "food-user-service-token"}]} in sources(
        gateway
    )
    assert {"ports": [{"port": 443}], "to": [{"ipBlock": {"cidr": "10.40.0.0/16"}}]} in egress(manifests, "gateway")


def test_without_a_named_peer_the_user_service_is_reached_at_its_port(render: Render) -> None:
    manifests = render({"gateway": {"food": {"userServiceUrl": "http://users.test:8091/api"}}})
    assert {"ports": [{"port": 8091}]} in egress(manifests, "gateway")
    gateway = environment(pick(render(), "Deployment", "heliograph-gateway"))
    assert not [name for name in gateway if "FOOD" in name]
