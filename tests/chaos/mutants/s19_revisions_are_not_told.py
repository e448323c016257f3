"""Events do not say which revision of the image they tell of."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_common.contracts.envelope"


def mutate(module: Any) -> None:
    """Changes what is put into envelopes."""
    wrap = module.envelope

    def unrevised(*arguments: Any, **named: Any) -> Any:
        made = wrap(*arguments, **named)
        if "revision" in made.data:
            made.data["revision"] = 0
        return made

    module.envelope = unrevised
