"""skaffold.yaml fits skaffold's published schema, and what it names is there."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text(encoding="utf-8"))
SERVICES = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}
VERSION = CONFIG["apiVersion"].partition("/")[2]


def _problems(config: dict[str, Any]) -> list[str]:
    schema = json.loads((Path(__file__).parent / "skaffold" / f"{VERSION}.json").read_text(encoding="utf-8"))
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(config)]


def test_it_fits_the_published_schema() -> None:
    assert _problems(CONFIG) == []


@pytest.mark.parametrize(
    "path", [("build", "artifact"), ("deploy", "helm", "releases", 0, "chart"), ("profiles", 0, "patch")]
)
def test_an_unknown_key_does_not_fit(path: tuple[Any, ...]) -> None:
    config = copy.deepcopy(CONFIG)
    place = config
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = []
    assert _problems(config)


def test_every_service_has_its_image_and_its_values() -> None:
    artifacts = {artifact["image"]: artifact for artifact in CONFIG["build"]["artifacts"]}
    assert set(artifacts) == {f"heliograph/{name}" for name in SERVICES} | {"heliograph/e2e"}
    values = _release("heliograph")["setValueTemplates"]
    wanted = {
        f"{service}.image.{key}": f"{{{{.IMAGE_{variable}_heliograph_{service}}}}}"
        for service in SERVICES
        for key, variable in (("repository", "REPO"), ("tag", "TAG"), ("digest", "DIGEST"))
    }
    assert values == wanted


@pytest.mark.parametrize("artifact", CONFIG["build"]["artifacts"], ids=lambda artifact: artifact["image"])
def test_every_image_is_built_as_its_dockerfile_says(artifact: dict[str, Any]) -> None:
    name = artifact["image"].rpartition("/")[2]
    file = "tests/e2e/Dockerfile" if name == "e2e" else f"services/{name}/Dockerfile"
    assert (artifact["context"], artifact["docker"]["dockerfile"]) == (".", file)
    found = re.search(r"^ARG BASE_IMAGE=(\S+)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    base = artifact["docker"]["buildArgs"]["BASE_IMAGE"]
    assert base == "{{if .BASE_IMAGE}}{{.BASE_IMAGE}}{{else}}" + found[1] + "{{end}}"


def test_charts_and_files_are_there_and_have_the_values() -> None:
    for release in CONFIG["deploy"]["helm"]["releases"]:
        chart = ROOT / release["chartPath"]
        defaults = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
        for key in (*release.get("setValues", ()), *release.get("setValueTemplates", ())):
            value = defaults
            for part in key.split("."):
                assert part in value, f"{release['chartPath']} has no value {key}"
                value = value[part]
    text = (ROOT / "skaffold.yaml").read_text(encoding="utf-8")
    named = re.findall(r"\b(?:k8s|docs|charts|services|tests)/[\w./-]*\w", text)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_patches_of_profiles_hit_what_they_mean() -> None:
    """Their paths count artifacts and releases."""
    assert [release["name"] for release in CONFIG["deploy"]["helm"]["releases"]] == ["heliograph-stack", "heliograph"]
    (index,) = (
        int(patch["path"].rpartition("/")[2])
        for profile in CONFIG["profiles"]
        for patch in profile["patches"]
        if patch["path"].startswith("/build/artifacts/")
    )
    assert CONFIG["build"]["artifacts"][index]["image"] == "heliograph/e2e"


def test_forwarded_services_and_the_job_of_verify_are_those_of_the_charts() -> None:
    assert {entry["resourceName"] for entry in CONFIG["portForward"]} == {"heliograph-gateway", "heliograph-notifier"}
    (case,) = CONFIG["verify"]
    job = yaml.safe_load((ROOT / case["executionMode"]["kubernetesCluster"]["jobManifestPath"]).read_text("utf-8"))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (container["name"], container["image"]) == (case["container"]["name"], case["container"]["image"])
    addresses = {entry["value"] for entry in container["env"] if "value" in entry}
    assert addresses == {"http://heliograph-gateway", "ws://heliograph-notifier/v1/events"}


def test_the_client_of_verify_needs_only_what_its_image_has() -> None:
    program = "import sys, tests.e2e.verify; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert not roots & {"scripts", "yaml", "heliograph_local"}
    assert {name for name in done.stdout.split() if name.startswith("tests.")} <= {"tests.e2e"} | {
        f"tests.e2e.{path.stem}" for path in (ROOT / "tests/e2e").glob("*.py")
    }


def _release(name: str) -> dict[str, Any]:
    (found,) = (release for release in CONFIG["deploy"]["helm"]["releases"] if release["name"] == name)
    return dict(found)
