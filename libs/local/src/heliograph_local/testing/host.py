"""The servers of a test session, run by a process beside the workers: ``python -m heliograph_local.testing.host FOLDER
[PARENT]``, with their data in a new folder below ``PARENT``.

Every worker that uses the servers holds a shared flock on ``servers.users``; the host ends when it can have that lock for
itself, so nothing stays behind however the workers ended.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from heliograph_local.errors import StartFailed
from heliograph_local.servers.nats import Account
from heliograph_local.stack import Stack
from heliograph_local.testing.worlds import ACCOUNTS, Servers, account_name

_START_SECONDS = 60.0
_POLL = 0.05


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Only one process at a time is inside."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def shared_servers(folder: Path, parent: Path | None = None) -> Iterator[Servers]:
    """The servers of the session that ``folder`` belongs to; started if they do not run yet, with their data below
    ``parent`` (``None``: where temporary files are).

    Raises:
        StartFailed: they did not start.
    """
    with (folder / "servers.users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)  # waits while a host that had no users any more goes down
        with exclusive(folder / "servers.start"):
            if not _description(folder).exists():
                _start(folder, parent)
        yield Servers(**json.loads(_description(folder).read_text(encoding="utf-8")))


def _description(folder: Path) -> Path:
    return folder / "servers.json"


def _start(folder: Path, parent: Path | None) -> None:
    log = folder / "servers.log"
    with log.open("wb") as output:
        host = subprocess.Popen(
            [sys.executable, "-m", "heliograph_local.testing.host", str(folder), *([str(parent)] if parent else [])],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while not _description(folder).exists():
        if host.poll() is not None or time.monotonic() > deadline:
            host.kill()
            host.wait()
            raise StartFailed(f"the servers of the tests did not start:\n{log.read_text(encoding='utf-8')}")
        time.sleep(_POLL)
    host.returncode = 0  # it outlives this worker; no ResourceWarning for that


def _main(folder: Path, parent: Path | None = None) -> None:
    data = Path(tempfile.mkdtemp(prefix="heliograph-tests-", dir=parent))
    data.chmod(0o711)  # PostgreSQL's user must be able to enter it
    asyncio.run(_serve(folder, data))


async def _serve(folder: Path, data: Path) -> None:
    accounts = [Account(account_name(number), secrets.token_hex(12)) for number in range(ACCOUNTS)]
    stack = Stack(data / "stack", services=(), accounts=accounts, report=print)
    with (folder / "servers.users").open("a") as users:
        try:
            async with stack:
                _describe(folder, stack, accounts)
                await _unused(users.fileno())
        finally:
            # From here on the lock is ours: a worker that comes now waits, finds no description, and starts again.
            _description(folder).unlink(missing_ok=True)
            stack.folder.remove()
            shutil.rmtree(data, ignore_errors=True)


async def _unused(users: int) -> None:
    while True:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_POLL)
        else:
            return


def _describe(folder: Path, stack: Stack, accounts: list[Account]) -> None:
    connection = stack.connection
    servers = Servers(
        data=str(stack.folder.path),
        nats_url=stack.nats.url,
        nats_passwords=[account.password for account in accounts],
        postgres_url=stack.postgres.url(database="postgres"),
        s3=asdict(connection.s3),
    )
    ready = _description(folder).with_suffix(".new")
    ready.write_text(json.dumps(asdict(servers)), encoding="utf-8")
    ready.replace(_description(folder))


if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:]))
