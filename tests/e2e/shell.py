"""Commands for the steps of tests/e2e: run, captured, and told whole when they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """A step did not go as it must; the message is for whoever runs it."""


def run(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    stdin: str | None = None,
    seconds: float = 600,
    check: bool = True,
) -> str:
    """The command's output (both streams). ``Failed`` where it exits with another code than 0, or not in time."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{_shown(words)}: not within {seconds:.0f} s\n{_tail(error.output)}") from error
    if check and done.returncode:
        raise Failed(f"{_shown(words)}: exit code {done.returncode}\n{_tail(done.stdout)}")
    return done.stdout


def _shown(words: Sequence[str]) -> str:
    text = " ".join(words)
    return text if len(text) < 300 else text[:300] + " …"


def _tail(output: str | bytes | None) -> str:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return text.strip()[-3000:]
