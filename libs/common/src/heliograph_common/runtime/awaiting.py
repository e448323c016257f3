"""Waiting at the start for files with secrets, which may be mounted or written after the process was started."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from heliograph_common.setting_sources import SecretsMissing

EVERY_SECONDS = 0.5

log = structlog.get_logger(__name__)


class Awaiting:
    """Tries ``make`` until the files that its settings name are there, or until ``deadline`` (``time.monotonic``)."""

    def __init__(self, make: Callable[[], object], missing: SecretsMissing, deadline: float) -> None:
        self._make = make
        self._missing: SecretsMissing | None = missing
        self._deadline = deadline

    async def wait(self) -> None:
        """Returns when ``make`` would succeed.

        Raises:
            SecretsMissing: the files that are still not there at the deadline.
        """
        told: SecretsMissing | None = None
        while self._missing is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise self._missing
            if told is None or told.files != self._missing.files:
                told = self._missing
                log.warning("waiting for secrets", files=[str(file) for file in told.files], seconds=round(left, 1))
            await asyncio.sleep(min(EVERY_SECONDS, left))
            self._try()

    async def check(self) -> None:
        """A check of ``health``: fails while there is something to wait for."""
        if self._missing is not None:
            raise RuntimeError(f"waiting for secrets: {'; '.join(map(str, self._missing.files))}")

    def _try(self) -> None:
        try:
            self._make()
        except SecretsMissing as missing:
            self._missing = missing
        else:
            self._missing = None
