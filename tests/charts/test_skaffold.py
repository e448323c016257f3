"""The values that skaffold sets, resolved as it resolves them, lead to the images that it built."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.charts.support import ROOT, Manifest, Render, pick, pod_of, yaml

DIGEST = "sha256:" + "0123456789abcdef" * 4
CONFIG: Manifest = yaml.safe_load((ROOT / "skaffold.yaml").read_text(encoding="utf-8"))
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))


def _values(release: Manifest, *, repository: str, digest: str) -> Manifest:
    """``--set`` of a release: IMAGE_REPO, IMAGE_TAG and IMAGE_DIGEST of each image, as skaffold knows them after a build."""
    known = {"REPO": repository, "TAG": "t1", "DIGEST": digest}
    values: dict[str, Any] = {}
    for path, template in (release.get("setValues", {}) | release["setValueTemplates"]).items():
        found = re.fullmatch(r"\{\{\.IMAGE_(REPO|TAG|DIGEST)_heliograph_(\w+)\}\}", template)
        place = values
        *parents, key = path.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = known[found[1]].format(found[2]) if found else template
    return values


@pytest.mark.parametrize("files", [("k8s/trial.yaml",), ("k8s/trial.yaml", "k8s/dev.yaml"), ("k8s/production.yaml",)])
@pytest.mark.parametrize(
    ("repository", "digest", "image"),
    [
        ("heliograph/{}", "", "heliograph/{}:t1"),
        ("registry.test/x/heliograph/{}", DIGEST, "registry.test/x/heliograph/{}@" + DIGEST),
    ],
)
def test_pods_run_what_was_built(
    render: Render, files: tuple[str, ...], repository: str, digest: str, image: str
) -> None:
    (release,) = (one for one in CONFIG["deploy"]["helm"]["releases"] if one["name"] == "heliograph")
    manifests = render(_values(release, repository=repository, digest=digest), files=files)
    for service in SERVICES:
        pod = pod_of(pick(manifests, "Deployment", f"heliograph-{service}"))
        assert pod["containers"][0]["image"] == image.format(service)
