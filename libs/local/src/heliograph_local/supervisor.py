"""Keeps processes running: starts them, waits until they are ready, starts them again when they die or say that they are
not healthy (health.py), stops them.

``stack.py`` says what the processes are. One asyncio task watches each process; the table of all is written
to ``state.json`` at every change, for ``heliograph dev status`` and the fault helpers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from heliograph_local.errors import StartFailed
from heliograph_local.folder import Folder, write_private
from heliograph_local.health import HealthWatch
from heliograph_local.process import Process, cap_log, end_of, spawn

State = Literal["waiting", "starting", "ready", "restarting", "held", "stopping", "stopped", "failed"]

_BACKOFF_FIRST, _BACKOFF_LAST = 0.1, 5.0
_BACKOFF_FORGIVEN = 1.0  # seconds of being ready after which earlier deaths no longer slow a restart
_START_SECONDS = 60.0
_START_ATTEMPTS = 3
_POLL = 0.05
_LOG_CHECK = 30.0

Report = Callable[[str], None]


@dataclass
class Status:
    """One row of the process table."""

    name: str
    port: int
    state: State = "waiting"
    pid: int | None = None
    restarts: int = 0
    ready_after: float | None = None
    """Seconds from its last start until it was ready."""
    last_end: str | None = None
    """Why it was started again last."""


class Supervisor:
    """Runs processes of one data folder."""

    def __init__(self, folder: Folder, report: Report) -> None:
        self._folder = folder
        self._report = report
        self._watched: dict[str, _Watched] = {}
        self.phase = "starting"

    @property
    def table(self) -> list[Status]:
        return [watched.status for watched in self._watched.values()]

    def set_phase(self, phase: str) -> None:
        """Tells those outside how far the stack is: starting, ready, stopping, stopped, failed."""
        self.phase = phase
        self._write()

    async def start(self, processes: Sequence[Process]) -> None:
        """Starts all at once and returns when all are ready.

        Raises:
            StartFailed: one died three times or was not ready within a minute; the others keep running.
        """
        started = [_Watched(process, self._folder, self._report, self._write) for process in processes]
        self._watched.update({watched.process.name: watched for watched in started})
        for watched in started:
            watched.run()
        await asyncio.gather(*(watched.first_ready() for watched in started))

    async def stop(self, names: Iterable[str]) -> None:
        """Stops these at the same time; each gets its own time to finish before it is killed."""
        await asyncio.gather(*(self._watched[name].stop() for name in names if name in self._watched))

    def _write(self) -> None:
        state = {"phase": self.phase, "processes": [asdict(status) for status in self.table]}
        try:
            write_private(self._folder.state, json.dumps(state, indent=2))
        except OSError as error:  # on a full disk too, processes are kept running
            self._report(f"the process table could not be written: {error}")


class _Watched:
    """One process and the task that keeps it running."""

    def __init__(self, process: Process, folder: Folder, report: Report, changed: Callable[[], None]) -> None:
        self.process = process
        self.status = Status(process.name, process.port)
        self._log = folder.logs / f"{process.name}.log"
        self._hold = folder.holds / process.name
        self._report = report
        self._changed = changed
        self._child: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._health = HealthWatch(process)
        self._why: str | None = None
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self._ready_since: float | None = None

    def run(self) -> None:
        self._task = asyncio.create_task(self._keep_running(), name=f"keep {self.process.name}")

    async def first_ready(self) -> None:
        await asyncio.shield(self._first)

    async def stop(self) -> None:
        self._stopping = True
        if self._task is None:
            return
        if self._child is None:
            self._task.cancel()
        else:
            self._set("stopping")
            await self._end_child(self._child)
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._set("stopped", pid=None)

    async def _end_child(self, child: asyncio.subprocess.Process) -> None:
        _signal(child, self.process.stop_signal)
        _signal(child, signal.SIGCONT)  # one that a fault test froze must be able to hear the first
        try:
            async with asyncio.timeout(self.process.stop_seconds):
                await child.wait()
        except TimeoutError:
            self._report(f"{self.process.name} did not stop within {self.process.stop_seconds:.0f} s; killed")
            _signal(child, signal.SIGKILL)
            await child.wait()

    async def _keep_running(self) -> None:
        backoff, deaths = _BACKOFF_FIRST, 0
        while not self._stopping:
            code = await self._run_once()
            if self._stopping:
                return
            deaths += 1
            if not self._first.done() and deaths >= _START_ATTEMPTS:
                self._fail(f"died {deaths} times while starting ({self._why or _cause(code)})")
                return
            if self._ready_since is not None and time.monotonic() - self._ready_since > _BACKOFF_FORGIVEN:
                backoff = _BACKOFF_FIRST
            why = self._why or f"died ({_cause(code)})"
            self._report(f"{self.process.name} {why}; restarting in {backoff:.1f} s")
            self._set("restarting", pid=None, restarts=self.status.restarts + 1, last_end=why)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _BACKOFF_LAST)
            await self._held()

    async def _held(self) -> None:
        if self._hold.exists():
            self._set("held", pid=None)
            while self._hold.exists():  # noqa: ASYNC110 - others remove it
                await asyncio.sleep(_POLL)

    async def _run_once(self) -> int:
        """Starts the process and returns its exit code once it has ended."""
        cap_log(self._log)
        self._ready_since, self._why, began = None, None, time.monotonic()
        try:
            await self.process.prepare()
            child = self._child = await spawn(self.process, self._log)
        except OSError as error:
            self._why = f"could not be started: {error}"
            return -1
        self._set("starting", pid=child.pid)
        waiting = asyncio.create_task(self._look_after(child, began))
        try:
            return await child.wait()
        finally:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
            _kill_group(child.pid)
            self.process.tidy()
            self._child = None

    async def _look_after(self, child: asyncio.subprocess.Process, began: float) -> None:
        """Waits until it is ready, then until it is not healthy, and ends it. So it does with one that has a health check
        and does not get ready again: the first start is told to whoever waits for it."""
        log = asyncio.create_task(self._watch_log())
        try:
            if await self._await_ready(began):
                self._why = f"was stopped: {await self._health.failed()}"
            elif self.process.healthy is None or not self.status.restarts:
                return
            else:
                self._why = f"was stopped: not ready within {_START_SECONDS:.0f} s"
            self._set("restarting")
            await self._end_child(child)
        finally:
            log.cancel()

    async def _await_ready(self, began: float) -> bool:
        problem: Exception | None = None
        while time.monotonic() - began < _START_SECONDS:
            try:
                async with asyncio.timeout(5):
                    await self.process.ready()
            except Exception as error:  # noqa: BLE001 - whatever a client raises means "not ready yet"
                problem = error
                await asyncio.sleep(_POLL)
            else:
                break
        else:
            self._fail(f"was not ready within {_START_SECONDS:.0f} s: {problem}")
            return False
        self._ready_since = time.monotonic()
        seconds = self._ready_since - began
        self._set("ready", ready_after=round(seconds, 3))
        self._report(f"{self.process.name} ready on port {self.process.port} after {seconds:.2f} s")
        if not self._first.done():
            self._first.set_result(None)
        return True

    async def _watch_log(self) -> None:
        while True:
            await asyncio.sleep(_LOG_CHECK)
            cap_log(self._log)

    def _fail(self, why: str) -> None:
        self._set("failed")
        message = f"{self.process.name} {why}; last lines of {self._log}:\n{end_of(self._log)}"
        if self._first.done():
            self._report(message)
        else:
            self._first.set_exception(StartFailed(message))

    def _set(self, state: State, **values: float | str | None) -> None:
        if self._stopping and state not in {"stopping", "stopped"}:
            return
        self.status.state = state
        for name, value in values.items():
            setattr(self.status, name, value)
        self._changed()


def _signal(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)


def _kill_group(leader: int) -> None:
    """What a dead process left behind (its own children) must not hold its ports or its data."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _cause(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
