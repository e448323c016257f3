"""A service has the same few files as the others, and stands wherever services must be listed by hand. What fails here says
which file lacks it; CONTRIBUTING.md, "a service", has them all. ``test_import_rules`` looks after ``.importlinter``."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
import yaml
from scripts.chart_values import components

from heliograph_local.services import NOT_IN_THE_STACK
from heliograph_local.services import SERVICES as IN_THE_STACK

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
SHARED = {"Database", "Bus", "MinioBlobs", "Relay", "Messenger", "LifeSigns", "Worker", "PullSource", "RowSource"}
FILES = (
    "pyproject.toml",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "src/heliograph_{}/__init__.py",
    "src/heliograph_{}/py.typed",
    "src/heliograph_{}/__main__.py",
    "src/heliograph_{}/settings.py",
    "src/heliograph_{}/bootstrap.py",
)


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_few_files(service: str) -> None:
    names = [name.format(service) for name in FILES]
    assert not [name for name in names if not (ROOT / "services" / service / name).exists()]
    assert (ROOT / "requirements" / f"{service}.txt").exists(), "run: make lock"


@pytest.mark.parametrize("service", SERVICES)
def test_every_image_is_built_of_its_own_service(service: str) -> None:
    text = (ROOT / "services" / service / "Dockerfile").read_text(encoding="utf-8")
    assert f'ENTRYPOINT ["python", "-m", "heliograph_{service}"]' in text
    assert f"requirements/{service}.txt" in text
    assert not [other for other in SERVICES if other != service and other in text], "it names another service"


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_wires_for_itself_what_all_share(service: str) -> None:
    package = ROOT / "services" / service / "src" / f"heliograph_{service}"
    tree = ast.parse((package / "bootstrap.py").read_text(encoding="utf-8"))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & SHARED, "heliograph_common/runtime/backbone.py makes it"
    assert called & {"Backbone.connect", "connect_bus"}


def test_the_type_checker_knows_where_packages_begin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sources = {str(path.parent.parent.relative_to(ROOT)) for path in ROOT.glob("*/*/src/*/__init__.py")}
    assert set(project["tool"]["mypy"]["mypy_path"]) == sources, "name it in pyproject.toml: mypy_path"


def test_the_stack_runs_every_service_or_says_why_it_does_not() -> None:
    known = {service.name: service.module for service in IN_THE_STACK}
    wanted = {service: f"heliograph_{service}" for service in SERVICES if service not in NOT_IN_THE_STACK}
    assert known == wanted, "name it in libs/local/src/heliograph_local/services.py"
    assert NOT_IN_THE_STACK.keys() <= set(SERVICES)


def test_the_chart_has_a_component_for_every_service() -> None:
    assert [component.name for component in components()] == SERVICES, "write charts/heliograph/components/<name>.yaml"
    values = yaml.safe_load((ROOT / "charts/heliograph/values.yaml").read_text(encoding="utf-8"))
    assert set(SERVICES) <= values.keys(), "it needs a section in charts/heliograph/values.yaml"


def test_skaffold_builds_every_image() -> None:
    skaffold = yaml.safe_load((ROOT / "skaffold.yaml").read_text(encoding="utf-8"))
    files = {artifact["image"]: artifact["docker"]["dockerfile"] for artifact in skaffold["build"]["artifacts"]}
    built = {image: file for image, file in files.items() if file.startswith("services/")}
    wanted = {f"heliograph/{service}": f"services/{service}/Dockerfile" for service in SERVICES}
    assert built == wanted, "name it in skaffold.yaml: build.artifacts and setValueTemplates"
