"""How fast an import goes, and how long it will take. Pure."""

from __future__ import annotations

import math

_MEMORY = 15.0
"""Seconds after which a measurement weighs less than two fifths."""


def smoothed(before: float | None, amount: float, seconds: float) -> float | None:
    """The rate per second after ``amount`` in the last ``seconds``: an exponential moving average in time, which does
    not depend on how often it is taken."""
    if seconds <= 0:
        return before
    now = amount / seconds
    if before is None:
        return now if amount else None
    weight = -math.expm1(-seconds / _MEMORY)
    return before + weight * (now - before)


def remaining(files: int, per_second: float | None) -> float | None:
    """Seconds until ``files`` are done; ``None`` where nobody can tell."""
    if files == 0:
        return 0.0
    return files / per_second if per_second and per_second > 1e-6 else None
