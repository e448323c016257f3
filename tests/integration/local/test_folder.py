"""The data folder: where it is, who owns it, and that a stale owner is nobody."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from heliograph_local.errors import AlreadyRunning
from heliograph_local.folder import Folder, default_folder, start_time, write_private


def test_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HELIOGRAPH_DATA", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".local" / "share" / "heliograph"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert default_folder() == tmp_path / "xdg" / "heliograph"
    monkeypatch.setenv("HELIOGRAPH_DATA", str(tmp_path / "named"))
    assert default_folder() == tmp_path / "named"


def test_only_one_owner_at_a_time(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    assert folder.owner() is None
    with folder.locked():
        assert folder.owner() == os.getpid()
        with pytest.raises(AlreadyRunning), folder.locked():
            pass
        with pytest.raises(AlreadyRunning):
            folder.remove()
    assert folder.owner() is None
    with folder.locked():
        pass


def test_pid_that_belongs_to_another_process_by_now_owns_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(json.dumps({"pid": os.getpid(), "started": "1"}))
    assert Folder.at(tmp_path).owner() is None
    (tmp_path / "lock").write_text(json.dumps({"pid": os.getpid(), "started": start_time(os.getpid())}))
    assert Folder.at(tmp_path).owner() == os.getpid()


def test_private_files_are_private_whatever_the_umask_or_an_older_file_says(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o644)
    old = os.umask(0)
    try:
        write_private(path, "new")
    finally:
        os.umask(old)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
