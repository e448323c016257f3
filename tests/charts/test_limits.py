"""How many pictures of an owner may wait, and which analyses there are, reach the gateway as its settings read them."""

from __future__ import annotations

import pytest
from tests.charts.conftest import Manifest, Render, environment, pick

from heliograph_gateway.settings import GatewaySettings


def _read(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> GatewaySettings:
    for name, value in environment(pick(manifests, "Deployment", "heliograph-gateway")).items():
        if name.startswith(("HELIOGRAPH_LIMITS__", "HELIOGRAPH_GATEWAY__")):
            monkeypatch.setenv(name, value)
    return GatewaySettings()


def test_by_default_they_are_the_gateways_own(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _read(render(), monkeypatch)

    assert settings.limits == GatewaySettings.model_fields["limits"].default
    assert settings.gateway.analysis_profiles == []


def test_they_can_be_set(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"limits": {"waitingBeforeLow": 7}, "gateway": {"analysisProfiles": ["food", "describe"]}}
    settings = _read(render(values), monkeypatch)

    assert settings.limits.waiting_before_low == 7
    assert settings.gateway.analysis_profiles == ["food", "describe"]
