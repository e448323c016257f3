"""Values that must be refused, each with its remedy, and the files that are made from values.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from scripts import chart_dashboards, chart_values
from tests.charts.support import ROOT

Refusal = Callable[..., str]
PRODUCTION = ("k8s/production.yaml",)


@pytest.mark.parametrize(
    ("values", "meant"),
    [
        ({"gateway": {"replicaCount": 3}}, "replicas"),
        ({"gateway": {"Replicas": 3}}, "replicas"),
        ({"thumbnailer": {"render": {"wallSecond": 3}}}, "wallSeconds"),
        ({"s3": {"endpiont": "http://x"}}, "endpoint"),
        ({"nats": {"existing_secret": {"name": "x"}}}, "existingSecret"),
        ({"notifier": {"tolerations_": []}}, "tolerations"),
        ({"gatway": {}}, "gateway"),
    ],
)
def test_an_unknown_key_is_refused_with_its_nearest_neighbour(refusal: Refusal, values: Any, meant: str) -> None:
    assert f"did you mean {meant}?" in refusal(values)


def test_an_unknown_key_that_is_like_nothing_is_refused_by_name(refusal: Refusal) -> None:
    assert "additional properties 'zzz' not allowed" in refusal({"zzz": 1})


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"auth": {"existingSecret": {"name": ""}}}, "set auth.jwksUrl"),
        ({"auth": {"existingSecret": {"name": ""}, "secret": "short"}}, "openssl rand -base64 48"),
        ({"auth": {"jwksUrl": "https://x.test/k"}}, "remove one of them"),
        ({"s3": {"endpoint": ""}}, "s3.endpoint is required"),
        ({"s3": {"endpoint": "https://x.test/bucket"}}, "without a path"),
        ({"s3": {"existingSecret": {"name": ""}}}, "set s3.existingSecret.name"),
        ({"nats": {"url": ""}}, "nats.url is required"),
        ({"nats": {"url": "http://x.test"}}, "nats://host:4222"),
        ({"postgres": {"host": ""}}, "postgres.host is required"),
        ({"postgres": {"existingSecret": {"name": ""}}}, "set postgres.existingSecret.name"),
        ({"thumbnailer": {"drainSeconds": 30}}, "must exceed thumbnailer.render.wallSeconds"),
        ({"thumbnailer": {"render": {"memoryMiB": 2048}}}, "raise the limit or lower"),
        ({"httpRoute": {"enabled": True}}, "set it to your Gateway"),
        ({"ingress": {"enabled": True}}, "set it to the hostname"),
        ({"image": {"tag": "latest"}}, "set a version"),
        ({"gateway": {"image": {"digest": "sha256:short"}}}, "64 hexadecimal digits"),
    ],
)
def test_what_cannot_work_is_refused_with_the_remedy(refusal: Refusal, values: Any, remedy: str) -> None:
    assert remedy in refusal(values)


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"nats": {"replicas": 1}}, "Set nats.replicas to 3"),
        ({"nats": {"password": "x"}}, "use existingSecret"),
        ({"tests": {"existingSecret": {"name": ""}}}, "set tests.existingSecret.name"),
    ],
)
def test_production_refuses_what_risks_data(refusal: Refusal, values: Any, remedy: str) -> None:
    assert remedy in refusal(values, files=PRODUCTION)


def test_all_problems_are_told_at_once(refusal: Refusal) -> None:
    text = refusal({}, files=())
    assert all(word in text for word in ("postgres.host", "nats.url", "object store", "verify tokens"))


@pytest.mark.parametrize(
    "values", [{"nats": {"replicas": 9}}, {"log": {"level": "loud"}}, {"gateway": {"replicas": "two"}}]
)
def test_values_of_the_wrong_kind_are_refused(refusal: Refusal, values: Any) -> None:
    assert "don't meet the specifications" in refusal(values)


def test_the_stack_refuses_latest(refusal: Refusal) -> None:
    assert "set a version" in refusal({"nats": {"image": "nats:latest"}}, chart="heliograph-stack", files=())


@pytest.mark.parametrize("chart", chart_values.CHARTS)
def test_the_schema_fits_the_values(chart: str) -> None:
    source = (ROOT / "charts" / chart / "values.yaml").read_text(encoding="utf-8")
    for key in chart_values.keys(source):
        assert key.text or key.type or isinstance(key.default, dict), f"{'.'.join(key.path)} has no explanation"


def test_a_hint_never_matches_a_known_key() -> None:
    names = ["extraEnv", "extraEnvFrom", "replicas", "render", "tls", "host"]
    for meant, pattern in chart_values.nearby(names):
        assert not [name for name in names if re.search(pattern, name)], meant


def test_a_leaf_without_an_explanation_is_an_error() -> None:
    with pytest.raises(ValueError, match="b has no explanation"):
        list(chart_values.keys("# Explained.\na: 1\nb: 2\n"))


@pytest.mark.parametrize("script", [chart_values, chart_dashboards])
def test_generated_files_are_up_to_date(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["script", "--check"])
    assert script.main() == 0, f"run: python {script.__file__}"
