"""Who may talk to whom, and the ways in."""

from __future__ import annotations

from typing import Any

import pytest
from tests.charts.support import COMPONENTS, Manifest, Render, pick

PRODUCTION = ("k8s/production.yaml",)


def ports(policy: Manifest) -> set[Any]:
    return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]} - {53}


def test_each_kind_reaches_what_it_needs_and_no_more(render: Render) -> None:
    manifests = render()
    assert ports(pick(manifests, "NetworkPolicy", "heliograph-gateway")) == {5432, 4222, 8333}
    assert ports(pick(manifests, "NetworkPolicy", "heliograph-thumbnailer")) == {5432, 4222, 8333}
    assert ports(pick(manifests, "NetworkPolicy", "heliograph-notifier")) == {4222}
    assert "ingress" not in pick(manifests, "NetworkPolicy", "heliograph-thumbnailer")["spec"]


@pytest.mark.parametrize("name", COMPONENTS)
def test_policies_follow_what_the_chart_says_that_a_component_needs(render: Render, name: str) -> None:
    servers = {"postgres": 5432, "nats": 4222, "s3": 8333}
    needs = COMPONENTS[name].needs
    internet = {"importer": {443, 80}, "analyzer": {443}}[name] if COMPONENTS[name].internet else set()
    expected = {port for server, port in servers.items() if server in needs} | internet
    expected |= {443, 6443} if "kubernetes" in needs else set()
    assert ports(pick(render(), "NetworkPolicy", f"heliograph-{name}")) == expected


def test_every_rule_but_that_of_an_unknown_place_names_its_peers(render: Render) -> None:
    peer = {"ipBlock": {"cidr": "10.1.0.0/28"}}
    manifests = render({"networkPolicy": {"kubernetes": [peer]}})
    for name in COMPONENTS:
        for rule in pick(manifests, "NetworkPolicy", f"heliograph-{name}")["spec"]["egress"]:
            assert rule["to"], rule
    assert {"ports": [{"port": 443}, {"port": 6443}], "to": [peer]} in pick(
        manifests, "NetworkPolicy", "heliograph-operator"
    )["spec"]["egress"]


def test_ports_follow_the_addresses(render: Render) -> None:
    own = {
        "nats": {"url": "tls://a.test:4333,tls://b.test"},
        "s3": {"endpoint": "https://s3.test"},
        "telemetry": {"otlpEndpoint": "http://collector.test:4318"},
    }
    assert ports(pick(render(own), "NetworkPolicy", "heliograph-thumbnailer")) == {5432, 4333, 4222, 443, 4318}


def test_clients_and_monitoring_can_be_named(render: Render) -> None:
    ingress = pick(render(files=PRODUCTION), "NetworkPolicy", "heliograph-gateway")["spec"]["ingress"]
    http, management = ingress
    assert http["ports"] == [{"port": "http"}]
    assert management["ports"] == [{"port": "management"}]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}} in http["from"]
    assert len(http["from"]) == 2  # and the pod of helm test


NOTIFIED = {"/v1/events", "/asyncapi.json"}
OLD_SOCKET = "/api/ws/admin"
INGRESS = ("k8s/trial.yaml", "k8s/ingress.yaml")


@pytest.mark.parametrize("enabled", [True, False])
def test_the_ways_in_lead_sockets_to_the_notifier_and_all_else_to_the_gateway(render: Render, enabled: bool) -> None:
    expected = dict.fromkeys(NOTIFIED | ({OLD_SOCKET} if enabled else set()), "heliograph-notifier")
    expected["/"] = "heliograph-gateway"
    values = {"compat": {"enabled": enabled}}
    rules = pick(render(values, files=PRODUCTION), "HTTPRoute")["spec"]["rules"]
    targets = {match["path"]["value"]: rule["backendRefs"][0]["name"] for rule in rules for match in rule["matches"]}
    assert targets == expected
    assert [rule["timeouts"] for rule in rules if "timeouts" in rule] == [{"request": "0s"}]
    [rule] = pick(render(values, files=INGRESS), "Ingress")["spec"]["rules"]
    assert {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]} == expected


def test_policies_can_be_left_out(render: Render) -> None:
    assert not [one for one in render({"networkPolicy": {"enabled": False}}) if one["kind"] == "NetworkPolicy"]
