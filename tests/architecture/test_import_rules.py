"""The import rules fail closed: who is not listed may not, and what is new is covered the day it appears."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")
PACKAGES = {path.parent.name for path in ROOT.glob("*/*/src/*/__init__.py")}

VENDORS = "Each vendor is imported where it is listed"
SERVICES = "Services import common and nothing else of ours"
LAYERS = "The layers of common"


def listed(rules: Path) -> list[str]:
    """The root packages of a configuration."""
    config = configparser.ConfigParser()
    config.read(rules, encoding="utf-8")
    return config["importlinter"]["root_packages"].split()


def test_every_member_of_the_workspace_is_checked() -> None:
    assert set(listed(ROOT / ".importlinter")) == PACKAGES, "name it under root_packages in .importlinter"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of all packages with their rules."""
    for package in ROOT.glob("*/*/src/*/__init__.py"):
        here = package.parent.relative_to(ROOT)
        shutil.copytree(ROOT / here, tmp_path / here, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def lint(tree: Path) -> tuple[list[str], str]:
    """The contracts that lint-imports calls broken, and all that it says."""
    sources = os.pathsep.join(str(path) for path in sorted(tree.glob("*/*/src")))
    environment = {**os.environ, "PYTHONPATH": sources, "COLUMNS": "500"}
    done = subprocess.run([LINT, "--no-cache"], cwd=tree, env=environment, capture_output=True, text=True, check=False)
    told = [line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")]
    assert bool(told) == (done.returncode != 0), done.stdout + done.stderr
    return told, done.stdout


def write(tree: Path, module: str, text: str) -> None:
    """Puts ``text`` at the end of a module of ``heliograph_…``, which is made where it is not there."""
    package = module.partition("/")[0]
    found = next((path.parent for path in tree.glob(f"*/*/src/{package}")), None)
    path = (found or tree / "services" / package.removeprefix("heliograph_") / "src") / module
    for folder in [*path.parents][: module.count("/")]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")


FORBIDDEN = [
    ("heliograph_notifier/settings.py", "nats"),
    ("heliograph_notifier/settings.py", "minio"),
    ("heliograph_notifier/settings.py", "sqlalchemy"),
    ("heliograph_common/runtime/health.py", "psycopg"),
    ("heliograph_common/fresh/thing.py", "nats"),
    ("heliograph_gateway/settings.py", "jwt"),
    ("heliograph_gateway/settings.py", "PIL"),
    ("heliograph_gateway/settings.py", "numpy"),
    ("heliograph_client/files.py", "pyvips"),
    ("heliograph_gateway/settings.py", "openai"),
    ("heliograph_gateway/settings.py", "kopf"),
    ("heliograph_notifier/settings.py", "heliograph_gateway.settings"),
    ("heliograph_common/ids.py", "heliograph_local.ports"),
    ("heliograph_client/files.py", "heliograph_common.ids"),
    ("heliograph_local/ports.py", "heliograph_gateway.settings"),
]
"""Modules and what they may not import; ``fresh`` is a package that is not there yet."""


def test_who_is_not_listed_may_not(tree: Path) -> None:
    for module, imported in FORBIDDEN:
        write(tree, module, f"import {imported}")
    told, said = lint(tree)
    found = {tuple(line[2:].split(" (l.")[0].split(" -> ")) for line in said.splitlines() if line.startswith("- ")}
    assert {(module.removesuffix(".py").replace("/", "."), imported) for module, imported in FORBIDDEN} <= found
    assert all(any(name.startswith(rule) for name in told) for rule in (VENDORS, SERVICES))


def test_a_layer_may_not_import_those_above_it(tree: Path) -> None:
    write(tree, "heliograph_common/bus/lag.py", "import heliograph_common.messaging.worker")
    (told,) = lint(tree)[0]
    assert told.startswith(LAYERS)


def test_a_new_package_of_common_needs_its_layer(tree: Path) -> None:
    write(tree, "heliograph_common/fresh/thing.py", "")
    (told,) = lint(tree)[0]
    assert told.startswith(LAYERS)


def test_a_new_service_is_held_to_the_rules(tree: Path) -> None:
    rules = tree / ".importlinter"
    first = listed(rules)[0]
    rules.write_text(rules.read_text(encoding="utf-8").replace(first, f"{first}\n    heliograph_fresh", 1), "utf-8")
    write(tree, "heliograph_fresh/handler.py", "import heliograph_common.ids")
    assert lint(tree)[0] == []
    write(tree, "heliograph_fresh/handler.py", "import minio\nimport heliograph_gateway.settings")
    assert [name.startswith(rule) for name, rule in zip(lint(tree)[0], (SERVICES, VENDORS), strict=True)] == [True] * 2


def test_a_service_that_no_rule_knows_may_not_be_imported(tree: Path) -> None:
    write(tree, "heliograph_fresh/handler.py", "")
    write(tree, "heliograph_gateway/settings.py", "import heliograph_fresh.handler")
    (told,) = lint(tree)[0]
    assert told.startswith(SERVICES)
