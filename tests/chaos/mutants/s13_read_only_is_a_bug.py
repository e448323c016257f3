"""No error of PostgreSQL means that the server is away or busy."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_common.db.sqlstate"


def mutate(module: Any) -> None:
    """Empties the table."""
    module._TROUBLES.clear()
