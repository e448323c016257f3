"""Importers' settings, their credentials, and what of the internet they reach."""

from __future__ import annotations

import ipaddress
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable
from typing import Any

import pytest
from scripts.chart_dashboards import COLUMNS, HEIGHT, layout
from tests.charts.support import Manifest, Render, environment, pick, pod_of

from heliograph_common.outbound.addresses import special
from heliograph_importer.settings import ImporterSettings

PRODUCTION = ("k8s/production.yaml",)
FOLDER = "/run/secrets/heliograph"
GROUPS = ("IMPORTER__", "IMPORTS__", "GOOGLE_DRIVE__", "DROPBOX__", "URLS__", "LIMITS__", "CREDENTIALS__")

Refusal = Callable[..., str]


def importer(manifests: list[Manifest]) -> Manifest:
    return pick(manifests, "Deployment", "heliograph-importer")


def read(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> ImporterSettings:
    for name, value in environment(importer(manifests)).items():
        if name.removeprefix("HELIOGRAPH_").startswith(GROUPS) and not name.endswith("_FILE"):
            monkeypatch.setenv(name, value)
    return ImporterSettings()


def files(workload: Manifest) -> dict[str, tuple[str, str]]:
    """The Secret and the key of each mounted file."""
    [volume] = [one for one in pod_of(workload)["volumes"] if one["name"] == "secrets"]
    secrets = [source["secret"] for source in volume["projected"]["sources"]]
    return {item["path"]: (secret["name"], item["key"]) for secret in secrets for item in secret["items"]}


def test_by_default_settings_are_the_importers_own(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(render(), monkeypatch)

    for group in ("importer", "imports", "google_drive", "dropbox", "urls", "limits"):
        assert getattr(settings, group) == ImporterSettings.model_fields[group].default, group


def test_settings_can_be_set(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "imports": {"keepDays": 7},
        "importer": {
            "slots": 3, "listSlots": 4, "window": 50, "maxFiles": 2_000_000, "maxDays": 0.5, "maxAttempts": 9,
            "holdSeconds": 60.5, "patience": 0, "googleDrive": {"requestsPerMinute": 12_000_000},
            "dropbox": {"requestsPerMinute": 2},
            "urls": {"requestsPerMinute": 3, "allowedNetworks": ["10.9.0.0/16"]},
        },
    }  # fmt: skip
    settings = read(render(values), monkeypatch)

    own = settings.importer
    assert own.max_days == 0.5
    assert (own.slots, own.list_slots, own.window, own.max_files, own.max_attempts) == (3, 4, 50, 2_000_000, 9)
    assert (own.hold_seconds, own.patience, settings.imports.keep_days) == (60.5, 0, 7)
    assert settings.google_drive.requests_per_minute == 12_000_000
    assert settings.dropbox.requests_per_minute == 2
    assert (settings.urls.requests_per_minute, settings.urls.allowed_networks) == (3, ["10.9.0.0/16"])


def test_credentials_of_providers_are_files_of_importers_alone(render: Render) -> None:
    manifests = render(files=PRODUCTION)
    expected = {
        "google-drive-api-key": "google-drive-api-key",
        "dropbox-app-key": "dropbox-app-key",
        "dropbox-app-secret": "dropbox-app-secret",
        "credentials-named": "credentials.json",
        "imports-token-keys": "token-keys",
    }
    mounted = files(importer(manifests))
    assert {path: mounted.get(path) for path in expected} == {
        path: ("heliograph-imports", key) for path, key in expected.items()
    }
    variables = environment(importer(manifests))
    assert variables["HELIOGRAPH_GOOGLE_DRIVE__API_KEY_FILE"] == f"{FOLDER}/google-drive-api-key"
    assert variables["HELIOGRAPH_CREDENTIALS__NAMED_FILE"] == f"{FOLDER}/credentials-named"
    assert "HELIOGRAPH_GOOGLE_DRIVE__CLIENT_ID_FILE" not in variables
    for name in ("gateway", "thumbnailer", "notifier"):
        others = files(pick(manifests, "Deployment", f"heliograph-{name}"))
        assert set(others) & set(expected) == ({"imports-token-keys"} if name == "gateway" else set())


@pytest.mark.parametrize("component", ["gateway", "importer"])
def test_both_have_the_keys_of_users_tokens(render: Render, component: str) -> None:
    deployment = pick(render(), "Deployment", f"heliograph-{component}")
    variable = "HELIOGRAPH_IMPORTS__TOKEN_KEYS_FILE"
    assert environment(deployment)[variable] == f"{FOLDER}/imports-token-keys"
    assert files(deployment)["imports-token-keys"] == ("heliograph-stack-credentials", "import-token-keys")
    without = render({"imports": {"tokenKeys": {"existingSecret": {"name": ""}}}})
    assert variable not in environment(pick(without, "Deployment", f"heliograph-{component}"))


def test_the_stack_makes_keys_that_can_be_used(render: Render) -> None:
    secret = pick(render(chart="heliograph-stack", files=()), "Secret", "heliograph-credentials")
    [key] = b64decode(secret["data"]["import-token-keys"]).decode().split(",")
    assert len(urlsafe_b64decode(key)) == 32
    assert not set(key) & set("+/")


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"name": "s"}, "set the values below it to the keys that the Secret has"),
        ({"googleDriveApiKeyKey": "k"}, "importer.existingSecret.name is required"),
        ({"name": "s", "dropboxAppKeyKey": "k"}, "belong together"),
    ],
)
def test_half_a_credential_is_refused(refusal: Refusal, values: dict[str, Any], remedy: str) -> None:
    assert remedy in refusal({"importer": {"existingSecret": values}})


def public(manifests: list[Manifest]) -> Manifest:
    """The rule of an importer's policy that lets it out to the internet."""
    egress = pick(manifests, "NetworkPolicy", "heliograph-importer")["spec"]["egress"]
    [rule] = [rule for rule in egress if any(peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0" for peer in rule["to"])]
    found: Manifest = rule
    return found


def allowed(rule: Manifest, address: str) -> bool:
    """Whether the rule lets out to ``address``."""
    wanted = ipaddress.ip_address(address)
    return any(
        wanted in ipaddress.ip_network(block["cidr"])
        and not any(wanted in ipaddress.ip_network(part) for part in block.get("except", ()))
        for block in (peer["ipBlock"] for peer in rule["to"])
    )


ADDRESSES = [
    "8.8.8.8", "142.250.185.74", "162.125.66.18", "2a00:1450:4001:82a::200a", "2620:100:6022:18::a27d:4212",
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.4.4", "100.64.0.1", "127.0.0.1",
    "169.254.169.254", "168.63.129.16", "0.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9",
    "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "2002::1",
    "::ffff:10.0.0.1", "fec0::1", "3fff::1",
]  # fmt: skip


def test_importers_reach_what_the_guard_of_lists_of_urls_calls_public(render: Render) -> None:
    rule = public(render())
    found = [address for address in ADDRESSES if allowed(rule, address)]
    assert found == [address for address in ADDRESSES if special(ipaddress.ip_address(address)) is None]
    assert len(found) == 5


def test_each_exception_is_within_its_block(render: Render) -> None:
    for peer in public(render())["to"]:
        block = ipaddress.ip_network(peer["ipBlock"]["cidr"])
        for part in map(ipaddress.ip_network, peer["ipBlock"]["except"]):
            assert part.version == block.version
            assert part.subnet_of(block)  # type: ignore[arg-type]
            assert special(part[0]), part
            assert special(part[-1]), part


def test_ports_and_other_networks_can_be_set(render: Render) -> None:
    values = {
        "importer": {"urls": {"allowedNetworks": ["10.9.0.0/16", "fd12::/64"]}},
        "networkPolicy": {"internet": {"ports": [443], "except": ["8.8.8.0/24"]}},
    }
    rule = public(render(values))
    assert rule["ports"] == [{"port": 443}]
    assert [allowed(rule, address) for address in ("10.9.0.1", "fd12::1", "8.8.8.8", "8.8.4.4")] == [
        True, True, False, True,
    ]  # fmt: skip


def test_more_rules_are_those_of_components_that_reach_the_internet(render: Render) -> None:
    more = {"ports": [{"port": 3128}], "to": [{"podSelector": {"matchLabels": {"app": "proxy"}}}]}
    manifests = render({"networkPolicy": {"internet": {"extraEgress": [more]}}})
    with_it = [one["metadata"]["name"] for one in manifests if more in one.get("spec", {}).get("egress", ())]
    assert with_it == ["heliograph-analyzer", "heliograph-importer"]


def test_nothing_else_reaches_the_internet(render: Render) -> None:
    policies = [one for one in render() if one["kind"] == "NetworkPolicy"]
    assert [one["metadata"]["name"] for one in policies if "0.0.0.0/0" in str(one)] == [
        "heliograph-analyzer", "heliograph-importer",
    ]  # fmt: skip


def test_a_row_of_a_dashboard_begins_on_a_line_of_its_own() -> None:
    panel = ("Title", "short", "up", "up")
    places = [one["gridPos"] for one in layout([panel, panel, "Row", panel, panel, panel, panel])]
    assert [(place["x"], place["y"]) for place in places] == [
        (0, 0), (8, 0), (0, HEIGHT), (0, HEIGHT + 1), (8, HEIGHT + 1), (16, HEIGHT + 1), (0, 2 * HEIGHT + 1),
    ]  # fmt: skip
    assert places[2]["w"] == COLUMNS
