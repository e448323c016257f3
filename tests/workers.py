"""How many processes tests run in: as many as the machine lets us use, and none beside pytest's own for a single test."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def workers(arguments: Sequence[str]) -> int:
    """One a processor, but no more than tests that ``arguments`` (pytest's) name; 0 is pytest's own process."""
    if arguments and all("::" in argument for argument in arguments):
        return min(processors(), len(arguments)) if len(arguments) > 1 else 0
    return processors()


def processors(cgroup: Path = CGROUP) -> int:
    """Processors that this process may use at one time, a container's limit of CPU time included; 1 at least."""
    allowed = len(os.sched_getaffinity(0))
    return max(1, min(allowed, int(_quota(cgroup) or allowed)))


def _quota(cgroup: Path) -> float | None:
    """Processors' worth of time that the cgroup of a container may use; ``None`` where nothing limits it."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()  # version 2
    except OSError:
        try:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return None
    return None if quota == "max" or int(quota) <= 0 else max(1.0, int(quota) / int(period))
