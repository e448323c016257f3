"""The data folder of one embedded stack: where everything lies, who may read it, and who runs it.

A supervisor holds ``lock`` (flock) as long as it lives; the kernel lets go of it however the
supervisor ends, so a stale lock cannot exist. Which process holds it is told by the lock file's content, checked against
the start time in ``/proc``. Does not know what the servers keep inside their own folders.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heliograph_local.errors import AlreadyRunning

# Whatever may lie in a data folder; a reset removes these and nothing else.
_CONTENTS = (
    "connection.json",
    "hold",
    "logs",
    "nats",
    "ports.json",
    "postgres",
    "s3",
    "secrets",
    "state.json",
)


def default_folder() -> Path:
    """``$HELIOGRAPH_DATA``, or ``heliograph`` in the user's XDG data folder."""
    if named := os.environ.get("HELIOGRAPH_DATA"):
        return Path(named).expanduser()
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "heliograph"


def write_private(path: Path, content: str) -> None:
    """Replaces a file in one step; only its owner may read it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    temporary.replace(path)


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot (field 22 of proc(5) stat): with the pid it names a process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


@dataclass(frozen=True)
class Folder:
    """Paths inside one data folder (absolute)."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Folder:
        return cls(path.expanduser().resolve())

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def holds(self) -> Path:
        """A file here keeps the process of that name down (see faults.py)."""
        return self.path / "hold"

    @property
    def connection(self) -> Path:
        return self.path / "connection.json"

    @property
    def state(self) -> Path:
        return self.path / "state.json"

    def create(self) -> None:
        """Makes the folder. Root lets others pass through, since PostgreSQL then runs as another user inside."""
        if not self.path.exists():
            self.path.mkdir(parents=True)
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for private in (self.logs, self.secrets, self.holds):
            private.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Owns the folder for as long as the block runs.

        Raises:
            AlreadyRunning: another live process owns it.
        """
        with (self.path / "lock").open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(str(self.path), self.owner() or 0) from None
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "started": start_time(os.getpid())}))
            file.flush()
            yield
            file.truncate(0)

    def owner(self) -> int | None:
        """The pid of the supervisor that runs here, or None."""
        try:
            with (self.path / "lock").open(encoding="utf-8") as file:
                owner = json.loads(file.read() or "{}")
        except (FileNotFoundError, ValueError):
            return None
        pid = owner.get("pid")
        return pid if isinstance(pid, int) and start_time(pid) == owner.get("started") else None

    def read_state(self) -> dict[str, Any]:
        """What the supervisor last wrote: ``{"phase", "error", "processes": [...]}``; empty where it never ran."""
        try:
            state: dict[str, Any] = json.loads(self.state.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return state

    def remove(self) -> None:
        """Deletes all data of the stack; the folder itself goes too where nothing else lies in it.

        Raises:
            AlreadyRunning: the stack is up.
        """
        if not self.path.exists():
            return
        with self.locked():
            for name in _CONTENTS:
                _delete(self.path / name)
        (self.path / "lock").unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()


def _delete(path: Path) -> None:
    if path.is_symlink():  # PostgreSQL's folder, moved out of a place it could not reach
        shutil.rmtree(path.readlink(), ignore_errors=True)
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
