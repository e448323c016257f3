"""What others have said, in a form that a message of ours can quote: on one line, printable, and not endless."""

from __future__ import annotations

QUOTED = 200


def excerpt(text: str, longest: int = QUOTED) -> str:
    """The beginning of ``text``, with a space in place of what cannot be printed, such as control characters and halves of
    surrogate pairs. Neither PostgreSQL nor a log takes those."""
    return "".join(character if character.isprintable() else " " for character in text[:longest])
