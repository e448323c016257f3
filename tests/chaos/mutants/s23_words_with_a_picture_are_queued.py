"""The populator queues words that have a picture already."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_common.db.words.queue"
_SKIPPED = "NOT EXISTS (SELECT FROM word_images WHERE word_images.word_key = words.key)"


def mutate(module: Any) -> None:
    """Leaves the condition out."""
    statement = module._POPULATE
    assert _SKIPPED in statement.text
    module._POPULATE = module.text(statement.text.replace(_SKIPPED, "true")).bindparams(*module._TYPES)
