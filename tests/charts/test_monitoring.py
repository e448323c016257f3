"""Every metric of an alert or a dashboard exists, and is read from where it is."""

from __future__ import annotations

import json
import re
from typing import get_args

from tests.charts.support import ROOT, Manifest, Render, pick

from heliograph_analyzer.asking import Code
from heliograph_analyzer.turns.dispatcher import EXPIRED
from heliograph_common.contracts.word_messages import WordImageNotFound
from heliograph_common.db import analyses
from heliograph_common.telemetry import metrics
from heliograph_importer.sources.port import SourceError
from heliograph_importer.words.providers.port import MISSING_KEY, REFUSED_KEY
from heliograph_operator import conditions
from heliograph_operator.model import Term

_METRIC = re.compile(r"\b(?:heliograph|process)_[a-z_]+\b")
_PART = re.compile(r"_(bucket|count|sum)$")
PRODUCTION = ("k8s/production.yaml",)


def unknown(query: str) -> set[str]:
    return {
        name
        for name in _METRIC.findall(query)
        if name not in metrics.names() and _PART.sub("", name) not in metrics.names()
    }


def rules(manifests: list[Manifest]) -> list[Manifest]:
    return [rule for group in pick(manifests, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]


def test_every_metric_of_a_rule_exists(render: Render) -> None:
    for rule in rules(render(files=PRODUCTION)):
        assert not unknown(rule["expr"]), rule
        assert "heliograph" in rule["expr"]


def test_alerts_use_only_records_that_there_are(render: Render) -> None:
    found = rules(render(files=PRODUCTION))
    records = {rule["record"] for rule in found if "record" in rule}
    used = {
        name for rule in found if "alert" in rule for name in re.findall(r"heliograph:[a-z_]+:[a-z0-9_]+", rule["expr"])
    }
    assert used == records


def test_every_alert_says_what_it_is_and_where_to_read_on(render: Render) -> None:
    alerts = [rule for rule in rules(render(files=PRODUCTION)) if "alert" in rule]
    assert len(alerts) >= 8
    for alert in alerts:
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["runbook_url"].endswith(f"/{alert['alert']}")


def test_quarantined_messages_are_told(render: Render) -> None:
    (alert,) = (
        rule for rule in rules(render(files=PRODUCTION)) if "heliograph_outbox_quarantined" in rule.get("expr", "")
    )
    assert alert["alert"] == "HeliographOutboxQuarantined"
    assert "heliograph quarantine ls" in alert["annotations"]["summary"]


def test_the_runbook_of_imports_has_its_alerts_and_every_code_of_a_source(render: Render) -> None:
    page = (ROOT / "docs/runbooks/imports.md").read_text(encoding="utf-8")
    named = {rule["alert"] for rule in rules(render(files=PRODUCTION)) if "Imports" in rule.get("alert", "")}
    assert named == {"HeliographImportsWaiting", "HeliographImportsFailing"}
    codes = {error.code for error in SourceError.__subclasses__()}
    assert not [word for word in named | codes if f"`{word}`" not in page]


def test_the_runbook_of_analyses_has_its_alerts_reasons_and_metrics(render: Render) -> None:
    page = (ROOT / "docs/runbooks/analysis.md").read_text(encoding="utf-8")
    named = {rule["alert"] for rule in rules(render(files=PRODUCTION)) if "Analyses" in rule.get("alert", "")}
    assert len(named) == 3
    codes = {*get_args(Code), analyses.IMAGE_FAILED, EXPIRED}
    assert not [word for word in named | codes if f"`{word}`" not in page]
    assert not unknown(page)


def test_the_runbook_of_words_has_its_alerts_reasons_and_metrics(render: Render) -> None:
    page = (ROOT / "docs/runbooks/words.md").read_text(encoding="utf-8")
    named = {
        rule["alert"]: rule["expr"] for rule in rules(render(files=PRODUCTION)) if "Words" in rule.get("alert", "")
    }
    assert len(named) == 2
    assert "[3600s]" in named["HeliographWordsNotRequested"]
    codes = set(re.findall(r"`(\w+)`", str(WordImageNotFound.__annotations__["code"])))
    assert len(codes) == 3
    assert not [word for word in {*named, *codes, MISSING_KEY, REFUSED_KEY} if f"`{word}`" not in page]
    assert not unknown(page)


def test_the_runbook_of_scaling_has_its_alerts_conditions_and_reasons(render: Render) -> None:
    page = (ROOT / "docs/runbooks/scaling.md").read_text(encoding="utf-8")
    named = {
        rule["alert"] for rule in rules(render(files=PRODUCTION)) if re.search("Scaler|Operator", rule.get("alert", ""))
    }
    assert len(named) == 5
    assert not [kind for kind in conditions.Kind if f"\n## {kind}\n" not in page]
    assert not [word for word in {*named, *conditions.Reason, *Term} if f"`{word}`" not in page]
    assert not unknown(page)


def test_there_are_no_alerts_of_an_operator_that_is_not_installed(render: Render) -> None:
    off = {name: {"scaler": {"enabled": False}} for name in ("thumbnailer", "importer", "analyzer")}
    found = rules(render({"operator": {"enabled": False}, **off}, files=PRODUCTION))
    assert not [rule for rule in found if "operator" in rule["expr"]]


def test_every_metric_of_a_dashboard_exists(render: Render) -> None:
    boards = [one for one in render(files=PRODUCTION) if one["kind"] == "ConfigMap"]
    assert len(boards) == 4
    records = {rule["record"] for rule in rules(render(files=PRODUCTION)) if "record" in rule}
    for board in boards:
        (text,) = board["data"].values()
        for panel in (one for one in json.loads(text)["panels"] if one["type"] != "row"):
            (target,) = panel["targets"]
            assert not unknown(target["expr"]), panel["title"]
            assert set(re.findall(r"heliograph:[a-z_]+:[a-z0-9_]+", target["expr"])) <= records


def test_the_pod_monitor_selects_what_serves_metrics(render: Render) -> None:
    manifests = render(files=PRODUCTION)
    monitor = pick(manifests, "PodMonitor")["spec"]
    selected = monitor["selector"]["matchExpressions"][0]["values"]
    for deployment in (one for one in manifests if one["kind"] == "Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] in selected
        assert monitor["selector"]["matchLabels"].items() <= labels.items()
        named = {port["name"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert monitor["podMetricsEndpoints"][0]["port"] in named
