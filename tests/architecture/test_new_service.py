"""A service costs at most eight edits: CONTRIBUTING.md's steps for one are followed in a copy of the tree, and what
``make check`` looks at passes there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.architecture import echo
from tests.charts.support import LAB_HELM

ROOT = Path(__file__).parents[2]
MOST_EDITS = 8
LISTS = (
    "tests/architecture/test_services.py",
    "tests/architecture/test_import_rules.py::test_every_member_of_the_workspace_is_checked",
)
PLACES = {
    "root_packages in .importlinter",
    "pyproject.toml: mypy_path",
    "libs/local/src/heliograph_local/services.py",
    "charts/heliograph/values.yaml",
    "skaffold.yaml: build.artifacts",
    "make lock",
}

BUILD = """
import asyncio
from heliograph_common.runtime.health import Health
from heliograph_common.settings import S3Settings
from heliograph_echo.bootstrap import build
from heliograph_echo.settings import EchoSettings
settings = EchoSettings(s3=S3Settings(access_key="key", secret_key="secret"))
for component in asyncio.run(build(settings, Health())):
    print(component.name)
"""

pytestmark = [pytest.mark.timeout(1200), pytest.mark.xdist_group("new-service")]


class Copy:
    """The tree in another folder, under git, with the environment of this one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._tools = folder / "tree", folder / "bin"
        files = self._run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
        for name in filter(None, files.split("\0")):
            if (ROOT / name).exists():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.folder / name)
        (self.folder / ".venv").symlink_to(Path(sys.prefix))
        self._tools.mkdir()
        self.helm = shutil.which("helm") or (str(LAB_HELM) if LAB_HELM.exists() else None)
        if self.helm:
            (self._tools / "helm").symlink_to(self.helm)
        self.run("git", "init", "--quiet")
        self.run("git", "-c", "core.excludesFile=", "add", "--all")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t.test", "commit", "--quiet", "--message=before")

    def run(self, *command: str | Path) -> str:
        """Output of a command that must succeed."""
        return self._run(*command, cwd=self.folder)

    def fails(self, *command: str | Path) -> str:
        """Output of a command that must fail."""
        done = self._start(*command, cwd=self.folder)
        assert done.returncode != 0, f"{command} found nothing"
        return done.stdout

    def edits(self) -> list[str]:
        """Each place where a file that was there has been changed: its name and line."""
        found, name = [], ""
        for line in self.run("git", "diff", "--unified=0", "--diff-filter=M", "HEAD").splitlines():
            name = line.removeprefix("--- a/") if line.startswith("--- ") else name
            hunk = re.match(r"@@ -\S+ \+(\d+)", line)
            found += [f"{name}:{hunk[1]}"] if hunk else []
        return found

    def _run(self, *command: str | Path, cwd: Path) -> str:
        done = self._start(*command, cwd=cwd)
        assert done.returncode == 0, f"{command}:\n{done.stdout[-8000:]}"
        return done.stdout

    def _start(self, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd, env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        """Sources of the copy come before those of this tree; programs for clusters are left out but for helm, and so are
        the variables of a ``make test`` around this (its ``ARGS`` are not those of ``make lock``)."""
        others = ("PYTEST_", "GIT_", "MAKE", "MFLAGS", "ARGS")
        ours = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        sources = [str(source) for source in sorted(self.folder.glob("*/*/src"))]
        # os.access also answers for folders that this user may not look into.
        folders = [
            folder for folder in os.environ["PATH"].split(os.pathsep) if not os.access(f"{folder}/kubeconform", os.F_OK)
        ]
        return {
            **ours,
            "PYTHONPATH": os.pathsep.join([*sources, str(self.folder)]),
            "PATH": os.pathsep.join([str(self._tools), *folders]),
        }


def test_a_service_costs_at_most_eight_edits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Copy(tmp_path)
    python, pytest_here = (copy.folder / ".venv/bin" / name for name in ("python", "pytest"))

    echo.add_files(copy.folder)
    copy.run("git", "add", "--intent-to-add", "--all")
    told = copy.fails(pytest_here, "-q", "-p", "no:cacheprovider", *LISTS)
    assert not {place for place in PLACES if place not in told}, told  # whoever forgets one is told where

    echo.edit_files(copy.folder)
    edits = copy.edits()
    with capsys.disabled():
        sys.stdout.write(f"\na service costs {len(edits)} edits: {', '.join(edits)}\n")
    assert len(edits) <= MOST_EDITS

    # `-o setup` leaves .venv alone, which is another tree's.
    copy.run("make", "-o", "setup", "lock")
    copy.run("make", "-o", "setup", "generate")
    copy.run("git", "add", "--all")
    copy.run("make", "-o", "setup", "check")
    copy.run(
        pytest_here, "-q", "-p", "no:cacheprovider", *LISTS, "tests/architecture/test_skaffold.py",
        "tests/contracts/test_messages.py", "tests/contracts/test_asyncapi.py",
        "tests/contracts/test_wording.py", "tests/unit/common/contracts/test_streams.py",
    )  # fmt: skip

    names = copy.run(python, "-c", BUILD).split()
    assert names == ["database", "blobs", "bus", "relay", "life-signs", "worker-echo"]

    if copy.helm:
        text = copy.run(copy.helm, "template", "heliograph", "charts/heliograph", "-f", "k8s/trial.yaml")
        kinds = {
            one["kind"] for one in yaml.safe_load_all(text) if one and one["metadata"]["name"] == "heliograph-echo"
        }
        assert kinds == {"ServiceAccount", "Deployment", "PodDisruptionBudget", "NetworkPolicy"}
