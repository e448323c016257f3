"""Renders charts with helm, which the lab builds; without helm these tests are skipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.charts.support import (
    Manifest,
    Render,
    template,
    yaml,
)


@pytest.fixture(scope="session")
def render() -> Render:
    """All objects of a chart, by default the product on the trial stack."""

    def rendered(
        values: Manifest | None = None, *, chart: str = "heliograph", files: tuple[str, ...] = ("k8s/trial.yaml",)
    ) -> list[Manifest]:
        done = template(chart, list(files), values or {})
        assert done.returncode == 0, done.stderr
        return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]

    return rendered


@pytest.fixture(scope="session")
def refusal() -> Callable[..., str]:
    """What helm says to values that it must refuse."""

    def refused(values: Manifest, *, chart: str = "heliograph", files: tuple[str, ...] = ("k8s/trial.yaml",)) -> str:
        done = template(chart, list(files), values)
        assert done.returncode != 0, "helm took it"
        return done.stderr

    return refused
