"""Doing harm to a running stack, for chaos and integration tests. Works from any process of the same user: it reads the
supervisor's process table and sends signals."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from heliograph_local.errors import NotRunning
from heliograph_local.folder import Folder

_POLL = 0.02


class Faults:
    """Names are those of ``heliograph dev status``: nats, postgres, s3, gateway, thumbnailer-2, …"""

    def __init__(self, data: Path) -> None:
        self._folder = Folder.at(data)

    def pid(self, name: str) -> int:
        """
        Raises:
            NotRunning: it has no process at the moment.
        """
        pid = self._row(name).get("pid")
        if not isinstance(pid, int):
            raise NotRunning(f"{name} has no process now; call wait_ready first")
        return pid

    def kill(self, name: str) -> int:
        """SIGKILL; the supervisor starts it again. Returns the pid that was killed."""
        return self._send(name, signal.SIGKILL)

    def freeze(self, name: str) -> int:
        """SIGSTOP: it keeps its connections and says nothing."""
        return self._send(name, signal.SIGSTOP)

    def thaw(self, name: str) -> int:
        """SIGCONT."""
        return self._send(name, signal.SIGCONT)

    async def restart(self, name: str, *, graceful: bool = True) -> float:
        """Ends it, in order or by SIGKILL, and waits until it is ready again. Returns the seconds this took."""
        began, restarts = time.monotonic(), self._row(name)["restarts"]
        # PostgreSQL's fast shutdown is SIGINT; SIGTERM would wait for every client to leave.
        orderly = signal.SIGINT if name == "postgres" else signal.SIGTERM
        self._send(name, orderly if graceful else signal.SIGKILL)
        await self.wait_ready(name, restarts=restarts + 1)
        return time.monotonic() - began

    async def take_down(self, name: str, *, graceful: bool = False) -> None:
        """Ends it and keeps it down until ``bring_up``: its port refuses connections."""
        self._folder.holds.joinpath(name).touch()
        self._send(name, signal.SIGINT if graceful else signal.SIGKILL)
        await self._until(name, lambda row: row["state"] == "held", 30)

    async def bring_up(self, name: str) -> None:
        """Lets the supervisor start it again and waits until it is ready."""
        self._folder.holds.joinpath(name).unlink(missing_ok=True)
        await self.wait_ready(name)

    async def wait_ready(self, name: str, *, restarts: int = 0, seconds: float = 60) -> None:
        """Returns when it is ready and was started again at least ``restarts`` times.

        Raises:
            TimeoutError: it was not.
        """
        await self._until(name, lambda row: row["state"] == "ready" and row["restarts"] >= restarts, seconds)

    async def _until(self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not holds(self._row(name)):  # noqa: ASYNC110 - the table is another process's
                await asyncio.sleep(_POLL)

    def _send(self, name: str, number: signal.Signals) -> int:
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def _row(self, name: str) -> dict[str, Any]:
        for row in self._folder.read_state().get("processes", []):
            if row["name"] == name:
                found: dict[str, Any] = row
                return found
        raise NotRunning(f"no process named {name}; see: heliograph dev status")
