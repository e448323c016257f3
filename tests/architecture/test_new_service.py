"""A service costs at most eight edits: CONTRIBUTING.md's steps for one are followed in a copy of the tree, and what
``make check`` looks at passes there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from tests.architecture import echo
from tests.architecture.support import Copy

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

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(1200), pytest.mark.xdist_group("new-service")]


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
    assert names == ["database", "blobs", "bus", "relay", "worker-reports", "life-signs", "worker-echo"]

    if copy.helm:
        text = copy.run(copy.helm, "template", "heliograph", "charts/heliograph", "-f", "k8s/trial.yaml")
        kinds = {
            one["kind"] for one in yaml.safe_load_all(text) if one and one["metadata"]["name"] == "heliograph-echo"
        }
        assert kinds == {"ServiceAccount", "Deployment", "PodDisruptionBudget", "NetworkPolicy"}
