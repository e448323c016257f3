"""What providers and hosts say, as it can be stored and shown. Pure.

PostgreSQL keeps no NUL and no lone surrogate, and no number beyond 64 bits; nobody reads a reason of a hundred pages.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

_LONGEST_TEXT, _LONGEST_REASON, _LONGEST_REF = 1_000, 2_000, 4_000
_LARGEST = (1 << 63) - 1
_UNPRINTABLE = {"Cc", "Cs"}


def clean(text: str, longest: int = _LONGEST_TEXT) -> str:
    """``text`` without control characters and lone surrogates, of at most so many characters."""
    kept = (each for each in unicodedata.normalize("NFC", text) if unicodedata.category(each) not in _UNPRINTABLE)
    return "".join(kept)[:longest]


def reason_of(error: BaseException) -> str:
    """Why something failed, as it is stored and shown."""
    return clean(str(error), _LONGEST_REASON)


def size_of(size: int | None) -> int | None:
    """A size in bytes, or ``None`` where what a provider says cannot be one."""
    return size if size is not None and 0 <= size <= _LARGEST else None


def storable(ref: str, details: Mapping[str, str]) -> bool:
    """Whether a reference and what belongs to it can be stored as they are, which they must be to be of use again."""
    return all(_storable(text) for text in (ref, *details, *details.values()))


def _storable(text: str) -> bool:
    return len(text) <= _LONGEST_REF and "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)
