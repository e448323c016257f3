"""Settings of words, which gateways and importers share, and the access key, which may come late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.charts.support import Manifest, Render, environment, pick, pod_of

from heliograph_common.settings import ServiceSettings, WordSettings
from heliograph_gateway.settings import GatewaySettings
from heliograph_importer.settings import ImporterSettings

PRODUCTION = ("k8s/production.yaml",)
KEY_FILE = "HELIOGRAPH_UNSPLASH__ACCESS_KEY_FILE"
READERS: dict[str, type[ServiceSettings]] = {"gateway": GatewaySettings, "importer": ImporterSettings}

Refusal = Callable[..., str]


def deployment(manifests: list[Manifest], component: str) -> Manifest:
    return pick(manifests, "Deployment", f"heliograph-{component}")


def read(manifests: list[Manifest], component: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in environment(deployment(manifests, component)).items():
        if name.removeprefix("HELIOGRAPH_").startswith(("WORDS__", "UNSPLASH__")) and name != KEY_FILE:
            monkeypatch.setenv(name, value)
    return READERS[component]()


def sources(workload: Manifest) -> dict[str, Manifest]:
    """The Secrets of the mounted volume."""
    [volume] = [one for one in pod_of(workload)["volumes"] if one["name"] == "secrets"]
    return {source["secret"]["name"]: source["secret"] for source in volume["projected"]["sources"]}


@pytest.mark.parametrize("component", READERS)
def test_gateways_and_importers_have_the_same_settings(
    render: Render, monkeypatch: pytest.MonkeyPatch, component: str
) -> None:
    assert read(render(), component, monkeypatch).words == WordSettings()
    values = {
        "requestsPerHour": 5000, "pictures": "stored", "owner": "pictures", "recentDays": 30, "populateMinutes": 0.5,
        "missDays": 90, "placeholders": True,
    }  # fmt: skip
    settings = read(render({"words": values}), component, monkeypatch)
    assert settings.words.model_dump() == {
        "requests_per_hour": 5000, "pictures": "stored", "owner": "pictures", "recent_days": 30, "populate_minutes": 0.5,
        "miss_days": 90, "placeholders": True,
    }  # fmt: skip


def test_others_have_none_of_them(render: Render) -> None:
    for name in ("thumbnailer", "notifier", "analyzer"):
        assert not [each for each in environment(deployment(render(), name)) if "WORDS" in each or "UNSPLASH" in each]


def test_unsplash_is_the_importers(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(render(), "importer", monkeypatch)
    assert settings.unsplash == ImporterSettings.model_fields["unsplash"].default
    other = {"importer": {"unsplash": {"baseUrl": "http://proxy.test:8080/unsplash", "appName": "vocabulary"}}}
    unsplash = read(render(other), "importer", monkeypatch).unsplash
    assert (unsplash.base_url, unsplash.app_name) == ("http://proxy.test:8080/unsplash", "vocabulary")


def test_a_pod_starts_without_the_access_key_and_has_it_later(
    render: Render, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifests = render()
    key = sources(deployment(manifests, "importer"))["heliograph-unsplash"]
    assert (key["optional"], key["items"]) == (True, [{"key": "access-key", "path": "unsplash-access-key"}])
    variable = environment(deployment(manifests, "importer"))[KEY_FILE]
    assert variable == "/run/secrets/heliograph/unsplash-access-key"
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "gone"))
    assert ImporterSettings().unsplash.access_key is None  # it does not wait for the file
    having = [one["metadata"]["name"] for one in render(files=PRODUCTION) if "heliograph-unsplash" in str(one)]
    assert having == ["heliograph-importer"]


def test_the_secret_is_not_that_of_imports(render: Render) -> None:
    mounted = sources(deployment(render(files=PRODUCTION), "importer"))
    assert {"heliograph-imports", "heliograph-unsplash"} <= mounted.keys()
    assert [name for name, secret in mounted.items() if secret.get("optional")] == ["heliograph-unsplash"]
    mine = {"importer": {"unsplash": {"existingSecret": {"name": "mine", "accessKeyKey": "k"}}}}
    assert [item["key"] for item in sources(deployment(render(mine), "importer"))["mine"]["items"]] == ["k"]
    without = deployment(render({"importer": {"unsplash": {"existingSecret": {"name": ""}}}}), "importer")
    assert KEY_FILE not in environment(without)
    assert "heliograph-unsplash" not in str(without)


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"existingSecret": {"accessKeyKey": ""}}, "importer.unsplash.existingSecret.accessKeyKey is required"),
        ({"baseUrl": "api.unsplash.com"}, "importer.unsplash.baseUrl"),
    ],
)
def test_what_cannot_work_is_refused(refusal: Refusal, values: dict[str, Any], remedy: str) -> None:
    assert remedy in refusal({"importer": {"unsplash": values}})
