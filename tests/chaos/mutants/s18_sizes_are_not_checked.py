"""Messages are sent whatever their size, and the server closes the connection over them."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_common.bus.publish"


def mutate(module: Any) -> None:
    """Changes the check before sending."""
    assert module._check
    module._check = lambda *_arguments: None
