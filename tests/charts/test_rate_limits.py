"""Rate limits reach the gateway as its settings read them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.charts.support import Manifest, Render, environment, pick

from heliograph_gateway.settings import GatewaySettings, RateLimitSettings, RatePolicy


def _read(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> RateLimitSettings:
    for name, value in environment(pick(manifests, "Deployment", "heliograph-gateway")).items():
        if name.startswith("HELIOGRAPH_RATE_LIMITS__"):
            monkeypatch.setenv(name, value)
    return GatewaySettings().rate_limits


def test_by_default_they_are_the_gateways_own(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _read(render(), monkeypatch) == RateLimitSettings()


def test_they_can_be_set_for_routes(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "default": {"quota": 10_000_000, "windowSeconds": 3600, "burst": 1_000_000},
        "routes": {"POST /v1/images": {"quota": 5, "burst": 50}, "GET /v1/queue": {}},
    }
    settings = _read(render({"gateway": {"rateLimits": values}}), monkeypatch)

    assert settings.default == RatePolicy(quota=10_000_000, window_seconds=3600, burst=1_000_000)
    assert settings.policy("POST /v1/images") == RatePolicy(quota=5, burst=50)
    assert settings.policy("GET /v1/queue") is None
    assert settings.policy("POST /v1/images/{image_id}/retry") == RateLimitSettings().policy("POST /v1/x")


def test_they_can_be_switched_off(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _read(render({"gateway": {"rateLimits": {"enabled": False}}}), monkeypatch).enabled


def test_a_policy_without_a_burst_is_refused(refusal: Callable[..., str]) -> None:
    said = refusal({"gateway": {"rateLimits": {"routes": {"POST /v1/images": {"quota": 5}}}}})

    assert "needs a burst" in said
