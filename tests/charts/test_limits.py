"""How many pictures of an owner may wait, which analyses there are, and the bytes of streams, reach the services as their
settings read them."""

from __future__ import annotations

import pytest
from tests.charts.support import COMPONENTS, ROOT, Manifest, Render, environment, pick, yaml

from heliograph_common.settings import NatsSettings
from heliograph_gateway.settings import GatewaySettings


def _read(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> GatewaySettings:
    for name, value in environment(pick(manifests, "Deployment", "heliograph-gateway")).items():
        if name.startswith(("HELIOGRAPH_LIMITS__", "HELIOGRAPH_GATEWAY__")):
            monkeypatch.setenv(name, value)
    return GatewaySettings()


def test_by_default_they_are_the_gateways_own(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _read(render(), monkeypatch)

    assert settings.limits == GatewaySettings.model_fields["limits"].default
    assert settings.gateway.analysis_profiles == ["describe", "food"]


def test_they_can_be_set(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"limits": {"waitingBeforeLow": 7}, "gateway": {"analysisProfiles": ["food"]}}
    settings = _read(render(values), monkeypatch)

    assert settings.limits.waiting_before_low == 7
    assert settings.gateway.analysis_profiles == ["food"]


def _streams(manifests: list[Manifest], kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, int]:
    for variable, value in environment(pick(manifests, kind, name)).items():
        if variable.startswith("HELIOGRAPH_NATS__") and variable.endswith("_BYTES"):
            monkeypatch.setenv(variable, value)
    nats = GatewaySettings().nats
    return nats.work_bytes, nats.events_bytes, nats.dead_bytes


WHO = [
    ("Job", "heliograph-provision"),
    *(("Deployment", f"heliograph-{name}") for name, component in COMPONENTS.items() if "nats" in component.needs),
]


@pytest.mark.parametrize(("kind", "name"), WHO)
def test_streams_have_the_settings_sizes_by_default(
    render: Render, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    nats = NatsSettings()
    assert _streams(render(), kind, name, monkeypatch) == (nats.work_bytes, nats.events_bytes, nats.dead_bytes)


@pytest.mark.parametrize(("kind", "name"), WHO)
def test_streams_can_be_sized(render: Render, monkeypatch: pytest.MonkeyPatch, kind: str, name: str) -> None:
    values = {"nats": {"workBytes": 40 << 30, "eventsBytes": 2_000_001, "deadBytes": 3}}
    assert _streams(render(values), kind, name, monkeypatch) == (40 << 30, 2_000_001, 3)


def test_the_trial_stacks_volume_has_room_for_all_streams() -> None:
    """Twice: JetStream keeps deleted messages on the disk for a while."""
    product, stack = (
        yaml.safe_load((ROOT / "charts" / chart / "values.yaml").read_text(encoding="utf-8"))["nats"]
        for chart in ("heliograph", "heliograph-stack")
    )
    reserved = product["workBytes"] + product["eventsBytes"] + product["deadBytes"]
    assert int(stack["storage"].removesuffix("Gi")) << 30 >= 2 * reserved
