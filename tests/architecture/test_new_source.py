"""A source of imports costs edits of at most five files: CONTRIBUTING.md's steps for one are followed in a copy of the tree,
and the gateway and an importer import from it there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.architecture import folder
from tests.architecture.support import Copy

MOST_FILES = 5
CHECKED = ("services/importer", "libs/common/src/heliograph_common/contracts", "tests/ports", folder.IMPORT)

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(600), pytest.mark.xdist_group("new-source")]


def test_a_source_costs_edits_of_at_most_five_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Copy(tmp_path)
    python, ruff, mypy, lint_imports, pytest_here = (
        copy.folder / ".venv/bin" / name for name in ("python", "ruff", "mypy", "lint-imports", "pytest")
    )
    suite = "tests/ports/test_sources.py"

    folder.add_files(copy.folder)
    folder.edit_files(copy.folder)
    edits = copy.edits()
    with capsys.disabled():
        sys.stdout.write(f"\na source costs {len(edits)} edits: {', '.join(edits)}\n")
    assert len({edit.partition(":")[0] for edit in edits}) <= MOST_FILES

    copy.run(python, "scripts/settings_reference.py")
    copy.run(ruff, "format", "--check", *CHECKED)
    copy.run(ruff, "check", *CHECKED)
    copy.run(mypy, *CHECKED)
    copy.run(lint_imports)
    copy.run(pytest_here, "-q", "-p", "no:cacheprovider", "-k", "folder or every_source", suite, folder.IMPORT)
