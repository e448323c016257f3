"""A new object gets the key of one that was deleted."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_common.blobs.keys"


def mutate(module: Any) -> None:
    """Leaves incarnations out of keys."""
    assert module.incarnation
    module.incarnation = lambda base, _number: base
