"""A profile of analysis costs one file: CONTRIBUTING.md's steps for one are followed in a copy of the tree, and an analyzer
analyzes by it there, with the double of OpenAI as its model."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.architecture import plant
from tests.architecture.support import Copy

SUITE = "tests/unit/analyzer/profiles"

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(600), pytest.mark.xdist_group("new-profile")]


def test_a_profile_costs_one_file(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    python, ruff, pytest_here = (copy.folder / ".venv/bin" / name for name in ("python", "ruff", "pytest"))

    plant.add_files(copy.folder)
    assert copy.edits() == []  # nothing that was there had to be changed

    copy.run(ruff, "format", "--check", *plant.WRITTEN)
    copy.run(ruff, "check", *plant.WRITTEN)
    found = copy.run(
        python, "-c", "from heliograph_analyzer.profiles.registry import PROFILES; print(*PROFILES)"
    ).split()
    assert found == ["describe", "food", "garden-plant"]
    copy.run(pytest_here, "-q", "-n", "0", "-p", "no:cacheprovider", SUITE, plant.SHOWN)
