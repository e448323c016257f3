"""One child process: what it needs to be started, and the starting itself.

A child runs in a session of its own (the terminal's Ctrl-C reaches only the supervisor), writes
to a log file, and gets a signal from the kernel when the supervisor dies, however it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LOG_LIMIT = 16 * 1024 * 1024
_libc = ctypes.CDLL(None, use_errno=True)


async def _nothing() -> None:
    return


def _nothing_to_tidy() -> None:
    return


class Unhealthy(Exception):
    """A process answers its health check and says that it is not of use: a new start may repair it."""


@dataclass(frozen=True)
class Process:
    """What the supervisor must know of one process.

    ``prepare`` runs before each start (also after a crash), ``ready`` raises until the process does its work, ``tidy``
    runs after each end.
    ``healthy`` is asked every second once it was ready and raises ``Unhealthy``, or whatever an answer that does not come
    raises; after ``unhealthy_seconds`` of the first in a row, or ``silent_seconds`` of the other, it is restarted. The
    latter is longer: a machine at its limits, or a test that freezes a server for a minute, is no reason.
    ``orphan_signal`` is what it gets when the supervisor dies.
    """

    name: str
    port: int
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    ready: Callable[[], Awaitable[None]]
    prepare: Callable[[], Awaitable[None]] = _nothing
    healthy: Callable[[], Awaitable[None]] | None = None
    unhealthy_seconds: float = 10.0
    silent_seconds: float = 90.0
    tidy: Callable[[], None] = _nothing_to_tidy
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 15.0
    owner: tuple[int, int] | None = None


async def spawn(process: Process, log: Path) -> asyncio.subprocess.Process:
    """Starts it with its output appended to ``log``."""
    parent = os.getpid()

    def die_with_parent() -> None:
        # Runs in the child after its user was changed, which would have cleared the setting.
        _libc.prctl(_PR_SET_PDEATHSIG, int(process.orphan_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    uid, gid = process.owner or (None, None)
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *process.command,
            cwd=process.folder,
            env=dict(process.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent,
            user=uid,
            group=gid,
            extra_groups=None if gid is None else [],
        )


def cap_log(log: Path) -> None:
    """Moves a log that grew too long to ``<log>.1``; its writer appends, so it goes on in the emptied file."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        with contextlib.suppress(OSError):  # a full disk, which the next line makes room on
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)


def end_of(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
