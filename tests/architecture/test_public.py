"""What a public project has: a licence that every package declares, READMEs, and checks that can find a fault."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MEMBERS = [
    ROOT,
    *sorted(path.parent for path in ROOT.glob("*/*/pyproject.toml") if path.parts[-3] in {"libs", "services"}),
]
LICENCE = (ROOT / "LICENSE").read_text(encoding="utf-8")
HOOKS = [
    hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    for hook in repository["hooks"]
]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))


def test_the_licence_is_apache_2() -> None:
    assert "Apache License\n                           Version 2.0, January 2004" in LICENCE
    assert "END OF TERMS AND CONDITIONS" in LICENCE


@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)
def test_every_package_declares_the_licence_and_has_a_readme(member: Path) -> None:
    project = tomllib.loads((member / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    assert (member / "LICENSE").read_text(encoding="utf-8") == LICENCE
    assert project["readme"] == "README.md"
    assert (member / "README.md").read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("dockerfile", sorted(ROOT.glob("services/*/Dockerfile")), ids=lambda path: path.parent.name)
def test_every_image_declares_the_licence(dockerfile: Path) -> None:
    assert 'org.opencontainers.image.licenses="Apache-2.0"' in dockerfile.read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_hooks_are_the_tools_of_the_environment(hook: dict[str, Any]) -> None:
    assert hook["language"] == "system"
    program = hook["entry"].split()[0]
    assert program.startswith(".venv/bin/")
    assert (Path(sys.prefix) / "bin" / Path(program).name).exists()


def test_hosted_ci_may_only_read_and_ends() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    for job in WORKFLOW["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 120
        assert job["container"]["image"].startswith("debian:12")
    runs = [step.get("run") for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    assert {".ci/run", "make coverage"} <= set(runs)


def test_a_workflow_with_a_fault_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "ci.yml"
    text = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    broken.write_text(text.replace("timeout-minutes: 120", "timeout-minuets: 120"), encoding="utf-8")
    check = [str(Path(sys.prefix) / "bin" / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*check, str(broken)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "timeout-minuets" in done.stdout
