"""Whether a process that runs is still of use: asks it again and again, and returns when that has failed for too long.

``answer`` is for checks of servers. A crash is not
seen here, and neither is a start: the supervisor asks only what has been ready.
"""

from __future__ import annotations

import asyncio
import time

from heliograph_local.ports import HOST
from heliograph_local.process import Process, Unhealthy

_PERIOD = 1.0
_ANSWER_SECONDS = 5.0
_LONGEST_ANSWER = 64 * 1024
_MOST_DOUBLINGS = 4


class HealthWatch:
    """Watches one process through all its restarts.

    A restart that repaired nothing doubles the time until the next, up to sixteen times the process's own: a disk that
    stays full is not repaired by any number of them.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._in_vain = 0

    async def failed(self) -> str:
        """Returns why the process has to be restarted; not at all where it has no health check."""
        if self._process.healthy is None:
            await asyncio.Event().wait()
        unhealthy_since = silent_since = None
        while True:
            await asyncio.sleep(_PERIOD)
            problem = await self._problem()
            now = time.monotonic()
            unhealthy_since = (unhealthy_since or now) if isinstance(problem, Unhealthy) else None
            silent_since = (silent_since or now) if problem is not None and unhealthy_since is None else None
            if problem is None:
                self._in_vain = 0
            elif unhealthy_since is not None and now - unhealthy_since >= self._limit(self._process.unhealthy_seconds):
                return self._restart(f"it said for {now - unhealthy_since:.0f} s that it is not healthy: {problem}")
            elif silent_since is not None and now - silent_since >= self._limit(self._process.silent_seconds):
                return self._restart(f"its health check got no answer for {now - silent_since:.0f} s: {problem!r}")

    async def _problem(self) -> Exception | None:
        assert self._process.healthy is not None  # noqa: S101 - see failed
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._process.healthy()
        except Exception as error:  # noqa: BLE001 - whatever a client raises means "no answer"
            return error
        return None

    def _limit(self, seconds: float) -> float:
        return float(seconds * 2**self._in_vain)

    def _restart(self, why: str) -> str:
        self._in_vain = min(self._in_vain + 1, _MOST_DOUBLINGS)
        return why


async def answer(port: int, path: str) -> None:
    """GET of a server on this machine; cheaper than a client of a library, as it is done every second.

    Raises:
        Unhealthy: it answers with another status than 200.
        OSError: no answer.
    """
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
        said = b""
        while len(said) < _LONGEST_ANSWER and (
            more := await reader.read(_LONGEST_ANSWER)
        ):  # to the end of the connection
            said += more
        head, _, body = said.partition(b"\r\n\r\n")
    finally:
        writer.close()
    status = head.split(b" ", 2)[1:2]
    if not status:
        raise ConnectionResetError("the answer is empty")
    if status != [b"200"]:
        raise Unhealthy(f"{status[0].decode('latin-1')} {body[:200].decode('utf-8', 'replace').strip()}")
