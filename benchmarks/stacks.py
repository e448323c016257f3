"""An embedded stack of a benchmark's own, on a folder that is deleted afterwards, and what its processes use."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil

from benchmarks.report import step
from heliograph_local.services import Service
from heliograph_local.stack import Stack


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
    """Servers and ``services``, ready."""
    with data_folder() as folder:
        async with Stack(folder, services, report=step) as stack:
            yield stack


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
    """Has the kernel count the peak anew (proc(5): clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
