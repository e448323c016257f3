"""What tests of commands run them with, and read of what they print."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]
"""Runs ``heliograph`` with these arguments."""


def lines(result: Result) -> list[dict[str, Any]]:
    """Standard output as JSON Lines."""
    return [json.loads(line) for line in result.stdout.splitlines()]
