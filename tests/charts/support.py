"""Charts rendered with helm, which the lab builds, and what is in them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripts.chart_values import components

yaml = pytest.importorskip("yaml")


ROOT = Path(__file__).parents[2]


COMPONENTS = {component.name: component for component in components()}


LAB_HELM = Path.home() / ".cache" / "heliograph-lab" / "path" / "helm"


Manifest = dict[str, Any]


Render = Callable[..., list[Manifest]]


def helm() -> str:
    """The helm to use."""
    found = shutil.which("helm") or (str(LAB_HELM) if LAB_HELM.exists() else None)
    if found is None:
        pytest.skip("helm is not on the PATH")
    return found


def template(chart: str, files: list[str], values: Manifest, *more: str) -> subprocess.CompletedProcess[str]:
    """`helm template` of a chart with files of values and ``values`` over them, and maybe more options."""
    options = [word for file in files for word in ("-f", str(ROOT / file))]
    return subprocess.run(
        [
            helm(),
            "template",
            "heliograph",
            str(ROOT / "charts" / chart),
            "--namespace",
            "pictures",
            *options,
            "-f",
            "-",
            *more,
        ],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
    )


def pick(manifests: list[Manifest], kind: str, name: str = "") -> Manifest:
    """The one object of a kind, and of a name where given."""
    found = [one for one in manifests if one["kind"] == kind and (not name or one["metadata"]["name"] == name)]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def pod_of(manifest: Manifest) -> Manifest:
    """The pod's spec of a workload."""
    spec: Manifest = manifest["spec"] if manifest["kind"] == "Pod" else manifest["spec"]["template"]["spec"]
    return spec


def environment(manifest: Manifest) -> dict[str, Any]:
    """The variables of a workload's first container: values, or where they come from."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in pod_of(manifest)["containers"][0]["env"]}
