"""Says where workloads have replicas and none of them reports: scaling goes by what the spec and the queue tell then."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import structlog

SECONDS = 60.0
"""For how long: replicas that only start do not report either."""

log = structlog.get_logger(__name__)


class Unheard:
    """Of all scalers. ``clock`` tells seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._said: set[str] = set()

    def note(self, scaler: str, *, replicas: int, workers: int) -> None:
        """What one look found: so many replicas exist, and so many workers report. Logs a change once."""
        if workers or not replicas:
            self._since.pop(scaler, None)
            if workers and scaler in self._said:
                self._said.remove(scaler)
                log.info("workers report again", scaler=scaler)
            return
        silent = self._clock() - self._since.setdefault(scaler, self._clock())
        if silent >= SECONDS and scaler not in self._said:
            self._said.add(scaler)
            log.warning(
                "no worker reports",
                scaler=scaler,
                replicas=replicas,
                hint="pods too old to report, or not allowed to publish to workers.> in NATS; "
                "see docs/runbooks/scaling.md#no-worker-reports",
            )

    def forget(self, keep: Collection[str]) -> None:
        """Drops what is remembered, but for the names to ``keep``."""
        self._since = {name: since for name, since in self._since.items() if name in keep}
        self._said &= set(keep)
