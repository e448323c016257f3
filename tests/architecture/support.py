"""A copy of the tree, in which CONTRIBUTING.md is followed, and edits of its files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.charts.support import LAB_HELM

ROOT = Path(__file__).parents[2]


class Copy:
    """The tree in another folder, under git, with the environment of this one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._tools = folder / "tree", folder / "bin"
        files = self._run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
        for name in filter(None, files.split("\0")):
            if (ROOT / name).is_file():
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


def replaced(pattern: str, by: str | Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    """An edit that puts ``by`` in the place of the first match of ``pattern``, which there must be."""

    def edit(text: str) -> str:
        changed, count = re.subn(pattern, by, text, count=1, flags=re.MULTILINE)
        assert count == 1, f"nothing looks like {pattern}"
        return changed

    return edit


def before(pattern: str, text: str) -> Callable[[str], str]:
    """An edit that puts ``text`` in front of the first match of ``pattern``."""
    return replaced(pattern, lambda found: text + found[0])


def write(path: Path, text: str) -> None:
    """Writes a file; folders are made where there are none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
