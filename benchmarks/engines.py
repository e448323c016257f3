"""Starts ``worker`` processes and asks them; prepares ``.venv-bench`` for the peers from ``requirements.txt``."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from benchmarks.report import step
from benchmarks.worker import receive, send

ROOT = Path(__file__).resolve().parent.parent
_PEERS = ROOT / ".venv-bench"
_REQUIREMENTS = ROOT / "benchmarks" / "requirements.txt"

# One core each; Pillow keeps its blocks, as imaging services set it up.
_ENVIRONMENT = {"VIPS_CONCURRENCY": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PILLOW_BLOCKS_MAX": "8"}


class Engine:
    """One engine in its process. Use it as a context manager. ``core`` pins it to one core."""

    def __init__(self, module: str, function: str, python: Path, core: int | None = None) -> None:
        self.name = function
        self._core = core
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.worker", f"benchmarks.{module}", function],
            cwd=ROOT,
            env=os.environ | _ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._sink, self._source = self._process.stdin, self._process.stdout
        if core is not None:
            os.sched_setaffinity(self._process.pid, {core})
        receive(self._source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sink.close()
        self._process.wait(10)
        self._source.close()

    def load(self, data: bytes) -> None:
        """Gives it the picture that ``run`` renders from now on."""
        send(self._sink, {"do": "load"}, data)
        receive(self._source)

    def run(self, wanted: list[dict[str, Any]], times: int = 1) -> dict[str, float]:
        """Renders ``times`` times; seconds in all, as ``cpu`` (its process's, all threads) and ``wall``."""
        send(self._sink, {"do": "run", "wanted": wanted, "times": times})
        return receive(self._source)[0]

    def results(self) -> list[bytes]:
        """The files that the last run made."""
        send(self._sink, {"do": "results"})
        header, body = receive(self._source)
        parts = []
        for length in header["lengths"]:
            parts.append(body[:length])
            body = body[length:]
        return parts


def ours(core: int | None = None) -> Engine:
    """Heliograph's render."""
    return Engine("engine_ours", "ours", Path(sys.executable), core)


def peer(function: str, core: int | None = None) -> Engine:
    """One of ``engine_peers``; ``prepare_peers`` comes first."""
    return Engine("engine_peers", function, _PEERS / "bin" / "python", core)


def prepare_peers() -> None:
    """Makes ``.venv-bench`` where it is not what ``requirements.txt`` asks for."""
    want = hashlib.sha256(sys.version.encode() + _REQUIREMENTS.read_bytes()).hexdigest()
    stamp = _PEERS / ".stamp"
    if stamp.exists() and stamp.read_text() == want:
        return
    step("preparing .venv-bench for the peers (once)")
    uv = Path(sys.executable).parent / "uv"
    python = _PEERS / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, _PEERS], check=True)
    install: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--require-hashes",
        "-r",
        _REQUIREMENTS,
    ]
    subprocess.run(install, check=True)
    stamp.write_text(want)
