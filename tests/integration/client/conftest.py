"""A whole stack for the tests of this folder, started and found as its users do."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.memory_folder import memory_folder

from heliograph_client import Connection, RetryPolicy, find_connection
from heliograph_local.testing import new_stack_folder

Heliograph = Callable[..., subprocess.CompletedProcess[str]]
Picture = Callable[[int], bytes]


@pytest.fixture(scope="session")
def heliograph() -> Iterator[Heliograph]:
    """Runs the ``heliograph`` command against a stack of this session's own."""
    with new_stack_folder(memory_folder()) as data:
        others = {key: value for key, value in os.environ.items() if not key.startswith("HELIOGRAPH_")}
        environment = {**others, "HELIOGRAPH_DATA": str(data)}

        def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "heliograph_client", *arguments],
                env={**environment, **changes},
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )

        up = run("dev", "up", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        try:
            yield run
        finally:
            down = run("dev", "down")
        assert down.returncode == 0, down.stderr


@pytest.fixture(scope="session")
def data(heliograph: Heliograph) -> Path:
    """The stack's data folder."""
    status = heliograph("dev", "status", "--json")
    return Path(json.loads(status.stdout)["data"])


@pytest.fixture
def connection(data: Path) -> Connection:
    """How clients find the stack."""
    return find_connection(data=data)


@pytest.fixture
def patient() -> RetryPolicy:
    """Long enough for a service to be started again on a busy machine."""
    return RetryPolicy(attempts=40, first=0.2, longest=1)


@pytest.fixture(scope="session")
def picture() -> Picture:
    """Makes a PNG of 400 x 300 pixels; every number makes another one."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    def make(number: int) -> bytes:
        row = b"\0" + bytes((number * 7 + x) % 256 for x in range(3 * 400))
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 400, 300, 8, 2, 0, 0, 0))
        comment = chunk(b"tEXt", b"Comment\0" + str(number).encode())
        pixels = chunk(b"IDAT", zlib.compress(row * 300))
        return b"\x89PNG\r\n\x1a\n" + header + comment + pixels + chunk(b"IEND", b"")

    return make
