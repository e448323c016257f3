"""``python -m tests.chaos.thumbnailers``: ``CHAOS_WORKERS`` thumbnailers, each a process as it is in production.

The first one has the management port of the environment, the others any. Exits with 1 when one of them ends by itself."""

from __future__ import annotations

import ctypes
import os
import signal
from types import FrameType

from heliograph_common.runtime.lifecycle import run
from heliograph_thumbnailer.bootstrap import NAME, build
from heliograph_thumbnailer.settings import ThumbnailerSettings

_PR_SET_PDEATHSIG = 1  # prctl(2)


def _work(index: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    def settings() -> ThumbnailerSettings:
        made = ThumbnailerSettings()
        if index:
            made.http.management_port = 0
        return made

    run(NAME, settings, build)


def main() -> int:
    """Returns the exit code."""
    workers: set[int] = set()
    for index in range(int(os.environ["CHAOS_WORKERS"])):
        pid = os.fork()
        if not pid:
            _work(index)
        workers.add(pid)
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        for worker in workers:
            os.kill(worker, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    code = 0
    while workers:
        ended, status = os.wait()
        workers.discard(ended)
        code |= int(not stopping or status != 0)
        if not stopping:
            stop(signal.SIGTERM, None)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
