"""A stack that outlives the command that started it, and stopping it again.

The stack runs as ``python -m heliograph_local up`` in a session of its own, its output in
``logs/up.log``, which the starting command shows until the stack is ready.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from heliograph_local.errors import LocalError, NotRunning, StartFailed
from heliograph_local.folder import Folder, start_time

UP_LOG = "up.log"
READY_LINE = "Ready."
"""The last line of a start."""

_POLL = 0.05
_STOP_SECONDS = 120.0


def start_detached(folder: Folder, arguments: Sequence[str], show: Callable[[str], None]) -> int:
    """Starts ``up`` in the background, shows its output until it is ready, and returns its pid.

    Raises:
        StartFailed: it ended instead.
    """
    folder.create()
    log = folder.logs / UP_LOG
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "heliograph_local", "up", "--data", str(folder.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    with log.open(encoding="utf-8", errors="replace") as lines:
        while True:
            ended = child.poll() is not None
            while line := lines.readline():
                if line.rstrip() == READY_LINE:
                    child.returncode = 0  # it is meant to outlive us: no ResourceWarning for a child still running
                    return child.pid
                show(line.rstrip("\n"))
            if ended:
                raise StartFailed(f"the stack did not start; see {log}")
            time.sleep(_POLL)


def stop(folder: Folder) -> int:
    """Stops the stack that runs on the folder, waits until it has ended, and returns the pid that it had.

    Raises:
        NotRunning: none does.
        LocalError: it did not end within two minutes.
    """
    pid = folder.owner()
    if pid is None:
        raise NotRunning(f"no stack is running in {folder.path}")
    identity = start_time(pid)
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while start_time(pid) == identity and folder.owner() == pid:
        if time.monotonic() > deadline:
            raise LocalError(f"process {pid} did not stop within {_STOP_SECONDS:.0f} s; see {folder.logs / UP_LOG}")
        time.sleep(_POLL)
    return pid
