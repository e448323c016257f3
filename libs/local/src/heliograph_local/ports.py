"""Which port each part listens on: the same at every start of one data folder, and never one of another stack.

Ports lie below the kernel's ephemeral range, so no outgoing connection takes one while the stack is down. Each port in
use is reserved machine-wide by an flock on a file of its number; the kernel gives reservations back when the process ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import TextIO

from heliograph_local.errors import LocalError
from heliograph_local.folder import write_private

HOST = "127.0.0.1"
GRPC_OFFSET = 10_000  # SeaweedFS wants its admin gRPC port at exactly this distance
_FIRST, _LAST = 12_000, 21_999  # with the offset still below 32768, where Linux's ephemeral range begins


class PortBook:
    """Hands out ports by name and keeps them in ``ports.json``. Call ``close`` when the stack is down."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self._taken: dict[str, int] = {}
        self._reserved: dict[int, TextIO] = {}
        self.moved: list[str] = []
        """One sentence for each port that could not be kept."""

    def take(self, name: str) -> int:
        """The port of ``name``, that of last time where it is free; ``port + GRPC_OFFSET`` is free as well.

        Raises:
            LocalError: no port is free.
        """
        if name not in self._taken:
            self._taken[name] = self._find(name)
        return self._taken[name]

    def close(self) -> None:
        """Gives all reservations back."""
        for file in self._reserved.values():
            file.close()
        self._reserved.clear()
        self._taken.clear()

    def _find(self, name: str) -> int:
        kept = self._kept.get(name)
        if kept is not None and self._reserve(kept):
            return kept
        for candidate in random.sample(range(_FIRST, _LAST + 1), 500):
            if self._reserve(candidate):
                if kept is not None:
                    self.moved.append(f"port {kept} of {name} is taken; it listens on {candidate} now")
                self._kept[name] = candidate
                write_private(self._file, json.dumps(self._kept, indent=2))
                return candidate
        raise LocalError(f"no free port between {_FIRST} and {_LAST} on {HOST}; stop what holds them (see: ss -tlnp)")

    def _reserve(self, port: int) -> bool:
        file = _reservation(port)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        if _free(port) and _free(port + GRPC_OFFSET):
            self._reserved[port] = file
            return True
        file.close()
        return False


def _reservation(port: int) -> TextIO:
    folder = Path(tempfile.gettempdir()) / f"heliograph-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return (folder / str(port)).open("a", encoding="utf-8")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # Servers set it too: a port in TIME_WAIT is free, one that is listened on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
