"""An embedded stack of a benchmark's own, on a folder that is deleted afterwards, and what its processes use."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from benchmarks.report import step
from heliograph_local.ports import HOST
from heliograph_local.services import Service
from heliograph_local.stack import Stack

_LIMIT = 60.0
_NEVER_MET = '{"quota": 1000000, "window_seconds": 1, "burst": 1000000}'
_RATE_LIMITS = {  # one client sends what thousands would: the limits are asked, which costs what it costs, and never met
    "HELIOGRAPH_RATE_LIMITS__DEFAULT": _NEVER_MET,
    "HELIOGRAPH_RATE_LIMITS__ROUTES": f'{{"POST *": {_NEVER_MET}}}',
}


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder for one stack, which PostgreSQL's own user may enter where root runs this."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-bench-"))
    folder.chmod(0o711)
    try:
        yield folder / "stack"
    finally:
        shutil.rmtree(folder)


@asynccontextmanager
async def running(services: Sequence[Service]) -> AsyncIterator[Stack]:
    """Servers and ``services``, ready, with rate limits that nobody meets."""
    os.environ.update(_RATE_LIMITS)  # which the stack hands on to its services
    with data_folder() as folder:
        async with Stack(folder, services, report=step) as stack:
            yield stack


@dataclass(frozen=True)
class Beside:
    """A process of a service that a benchmark started itself, and where its clients reach it."""

    pid: int
    url: str


@contextmanager
def beside(stack: Stack, service: Service, **environment: str) -> Iterator[Beside]:
    """One more process of ``service`` over the servers of ``stack``, ready; ``environment`` is set on top.

    Raises:
        RuntimeError: it was not ready within a minute.
    """
    port, management = _free_port(), _free_port()
    ports = {"HELIOGRAPH_HTTP__PORT": str(port), "HELIOGRAPH_HTTP__MANAGEMENT_PORT": str(management)}
    process = subprocess.Popen(
        [sys.executable, "-m", service.module],
        env=stack.environment(next(service.replica_names())) | ports | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_ready(f"http://{HOST}:{management}/readyz", process)
        yield Beside(process.pid, f"http://{HOST}:{port}")
    finally:
        process.terminate()
        process.wait(_LIMIT)


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    with httpx2.Client(trust_env=False, timeout=5) as client:
        deadline = time.monotonic() + _LIMIT
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.01)
    raise RuntimeError(f"{url} was not ready within {_LIMIT:g} s")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of all that it started, the dead ones too that were waited for."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return sum(sum(one.cpu_times()[:4]) for one in (process, *process.children(recursive=True)) if one.is_running())
    return 0.0


def peak_bytes(pid: int) -> int:
    """The highest resident size of the process since ``forget_peak`` (proc(5): VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def forget_peak(pid: int) -> None:
    """Has the kernel count the peak again (proc(5): clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
