"""Data of shared servers lie in memory only where there is plenty of it, a container's limit included."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.memory_folder import memory_folder

MIB = 1024**2


@pytest.fixture
def cgroup(tmp_path: Path) -> Path:
    folder = tmp_path / "cgroup"
    (folder / "memory").mkdir(parents=True)
    return folder


def test_a_folder_with_room(tmp_path: Path, cgroup: Path) -> None:
    assert memory_folder(tmp_path, cgroup, MIB) == tmp_path


def test_a_folder_that_is_too_small_or_not_there(tmp_path: Path, cgroup: Path) -> None:
    assert memory_folder(tmp_path, cgroup, 2 * shutil.disk_usage(tmp_path).total) is None
    assert memory_folder(tmp_path / "none", cgroup, MIB) is None


@pytest.mark.parametrize("limit", ["memory.max", "memory/memory.limit_in_bytes"])
@pytest.mark.parametrize(("most", "enough"), [("max", True), (str(2 * MIB), True), (str(2 * MIB - 1), False)])
def test_a_limit_of_the_container(tmp_path: Path, cgroup: Path, limit: str, most: str, enough: bool) -> None:
    (cgroup / limit).write_text(most + "\n")
    assert (memory_folder(tmp_path, cgroup, MIB) is not None) is enough
