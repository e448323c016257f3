"""What a full stream or disk refuses counts as stored."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_common.bus.publish"


def mutate(module: Any) -> None:
    """Changes ``publish``."""
    publish = module.publish
    assert module.Published

    async def forgetful(*arguments: Any) -> Any:
        try:
            return await publish(*arguments)
        except module.StreamFull:
            return module.Published("", 1, False)

    module.publish = forgetful
