"""No wait for PostgreSQL has a limit."""

from __future__ import annotations

from typing import Any

import psycopg

MODULE = "heliograph_common.db.connection"


def mutate(module: Any) -> None:
    """Takes the limits of exchanges away, and those that PostgreSQL and the kernel know of."""
    module.BoundedConnection.wait = psycopg.AsyncConnection.wait
    arguments = module.connect_arguments

    def unlimited(*given: Any, **named: Any) -> dict[str, Any]:
        kept = {"connect_timeout", "application_name"}
        return {name: value for name, value in arguments(*given, **named).items() if name in kept}

    module.connect_arguments = unlimited
