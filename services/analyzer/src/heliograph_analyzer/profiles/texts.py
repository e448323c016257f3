"""Texts of a model as they can be stored, shown and searched. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

_LINES = {"\n", "\t"}
_UNSTORABLE = {"Cc", "Cs"}
_MOST_MARKS = 30
"""Combining characters in a row, as in Unicode's stream-safe text format (UAX #15). No language has as many."""


def clean(value: Any) -> Any:
    """JSON without control characters and lone surrogates in its texts and keys; line ends and tabs stay.

    Raises:
        RecursionError: it is nested too deeply.
    """
    match value:
        case str():
            return _cleaned(value)
        case list():
            return [clean(each) for each in value]
        case dict():
            return {_cleaned(key): clean(each) for key, each in value.items()}
        case _:
            return value


def line(text: str, longest: int) -> str:
    """``text`` on one line, of at most ``longest`` characters; it ends with an ellipsis where more was cut off."""
    joined = " ".join(_printable(text).split())
    return joined if len(joined) <= longest else joined[: longest - 1].rstrip() + "…"


def tags(told: Iterable[str], *, longest: int, most: int) -> tuple[str, ...]:
    """Tags in lower case, each once, without ``#``: at most ``most`` of at most ``longest`` characters. Longer ones are left
    out, because a part of a word is another word."""
    found: dict[str, None] = {}
    for each in told:
        tag = line(each, longest + 1).lower().strip("# ")
        if 0 < len(tag) <= longest:
            found[tag] = None
    return tuple(found)[:most]


def _cleaned(text: str) -> str:
    return "".join(
        each
        for each in _composed(text)
        if each in _LINES or unicodedata.category(each) not in _UNSTORABLE
    ).strip()


def _composed(text: str) -> str:
    """NFC. It sorts combining characters in a row in time of the square of their number, so there are few of them."""
    kept, marks = [], 0
    for each in text:
        marks = marks + 1 if unicodedata.category(each).startswith("M") else 0
        if marks <= _MOST_MARKS:
            kept.append(each)
    return unicodedata.normalize("NFC", "".join(kept))


def _printable(text: str) -> str:
    """Control characters separate words, as line ends do; characters that only format (Cf) join emoji and stay, but for
    those that turn the direction of what follows."""
    kept = ("" if each in _TURNING else " " if unicodedata.category(each) in _UNSTORABLE else each for each in text)
    return _composed("".join(kept))


_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
