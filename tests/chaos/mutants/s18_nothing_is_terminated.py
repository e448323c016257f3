"""What a worker gives up on is not terminated, and comes again."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_common.bus.delivery"


def mutate(module: Any) -> None:
    """Changes ``term``."""
    assert module.JetStreamDelivery.term

    async def term(_self: Any, _reason: str) -> None:
        return

    module.JetStreamDelivery.term = term
