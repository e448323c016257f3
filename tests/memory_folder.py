"""Where servers of tests keep their data that no test is about: in memory, where there is plenty.

On a disk, each commit, each message of NATS and above all each database that is dropped waits for the disk. Tests of the
servers themselves keep to it.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import psutil

SHM = Path("/dev/shm")  # noqa: S108 - nothing of a guessable name is opened there
CGROUP = Path("/sys/fs/cgroup")
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
NEEDED = 4 * 1024**3
"""Bytes that must be free there; a whole run takes about one GiB."""


def memory_folder(shm: Path = SHM, cgroup: Path = CGROUP, needed: int = NEEDED) -> Path | None:
    """A folder in memory with room for the data of a session; ``None`` where this machine or container has too little."""
    if not os.access(shm, os.W_OK) or shutil.disk_usage(shm).free < needed:
        return None
    return shm if _memory(cgroup) >= 2 * needed else None


def _memory(cgroup: Path) -> float:
    """Bytes that processes could still take; where a container limits them, no more than it allows altogether, since what
    it counts as used is mostly cached files."""
    memory: float = psutil.virtual_memory().available
    for limit in LIMITS:
        with suppress(OSError):
            most = (cgroup / limit).read_text().strip()
            memory = min(memory, float("inf") if most == "max" else int(most))
    return memory
