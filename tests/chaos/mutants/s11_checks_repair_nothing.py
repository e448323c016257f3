"""A check counts what it finds as repaired and repairs nothing."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_gateway.checks.rerender"


def mutate(module: Any) -> None:
    """Changes what has renditions made anew."""

    async def nothing(*_: Any, **__: Any) -> bool:
        return True

    for name in ("without", "missing"):
        getattr(module, name)  # it must be there
        setattr(module, name, nothing)
