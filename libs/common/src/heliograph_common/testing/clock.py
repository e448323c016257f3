"""Time that a test moves."""

from __future__ import annotations


class ManualClock:
    """Seconds that never go back and pass only when the test adds to ``now``; stands for ``time.monotonic``."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
