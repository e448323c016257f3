"""The real servers, one module each: its folder, its configuration, its command line, and how to see that it works."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

from heliograph_local.errors import LocalError


def executable(name: str, package: str) -> Path:
    """A program that a wheel put beside this interpreter.

    Raises:
        LocalError: the wheel is not installed.
    """
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.exists():
        raise LocalError(f"{name} is missing; install it with: pip install {package}")
    return path


def clean_environment(home: Path) -> dict[str, str]:
    """What servers see of our environment: nothing that could change what they do (AWS_*, PG*, configuration files in
    the user's home)."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
