"""An answer is not written down before something is made of it."""

from __future__ import annotations

import asyncio
from typing import Any

MODULE = "heliograph_analyzer.answers.queries"


def mutate(module: Any) -> None:
    """Keeps an answer in the memory of its process only, where the next look at the cache finds it."""
    assert module.add_answer
    take, known = module.take, {}

    async def add_answer(_connection: Any, key: Any, answer: Any) -> None:
        known[key] = answer

    async def take_from_memory(connection: Any, key: Any, holder: Any, **more: Any) -> Any:
        found = await take(connection, key, holder, **more)
        if key in known:
            await asyncio.sleep(2)  # so that kills meet what is lost by it
        return module.Mine([known[key]]) if isinstance(found, module.Mine) and key in known else found

    module.add_answer, module.take = add_answer, take_from_memory
