"""Many words of one request, read and checked. Pure; for 30,000 words the caller runs it in a thread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from heliograph_common.db.words.entries import Entry, id_of, key_of
from heliograph_common.http.problems import Problem
from heliograph_gateway.http import bodies
from heliograph_gateway.http.problems import INVALID_JSON
from heliograph_gateway.words.schemas import MOST_WORDS, WordEntry

BODY_BYTES = 16 * 1024 * 1024
"""Enough for 30,000 words of some 500 bytes."""
REMEDY = f"Send the words in several requests, of at most {MOST_WORDS:,} words each."
_SHOWN = 50
"""Faults that are told of, at most."""

_check = TypeAdapter(WordEntry).validate_python


@dataclass(frozen=True)
class Bulk:
    """Words by their ids, in the order of their keys, and how many there were before duplicates were left out."""

    entries: Mapping[str, Entry]
    received: int


def read(body: bytes) -> Bulk:
    """The words in ``body``; of several with one id the last.

    Raises:
        Problem: the first faults by their places; nothing is to be written then.
    """
    found: dict[str, Entry] = {}
    wrong: list[tuple[str, str]] = []
    words = _listed(_decoded(body))
    for place, value in enumerate(words):
        try:
            entry = _entry(_check(value, strict=True))
        except ValidationError as error:
            wrong += bodies.faults(error, f"/words/{place}")
            if len(wrong) >= _SHOWN:
                break
        else:
            found[entry.id] = entry
    if wrong:
        raise bodies.invalid([(_sendable(pointer), _sendable(detail)) for pointer, detail in wrong[:_SHOWN]])
    return Bulk(dict(sorted(found.items(), key=lambda item: key_of(item[0]))), len(words))


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, dict):
        raise bodies.invalid([("", "Must be an object with the field `words`")])
    wrong = [(f"/{_sendable(name)}", "Extra inputs are not permitted") for name in value if name != "words"]
    words = value.get("words")
    if not isinstance(words, list):
        wrong.append(("/words", "Required, and must be an array"))
    elif len(words) > MOST_WORDS:
        wrong.append(("/words", f"Must have at most {MOST_WORDS:,} words. {REMEDY}"))
    if wrong or not isinstance(words, list):
        raise bodies.invalid(wrong[:_SHOWN])
    return words


def _decoded(body: bytes) -> Any:
    """A half of a surrogate pair is a fault of one word, whose place is told; so Python's decoder reads what has one."""
    try:
        return bodies.decoded(body)
    except Problem as problem:
        if problem.kind is not INVALID_JSON or b"\\ud" not in body.lower():
            raise
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise problem from None


def _entry(word: WordEntry) -> Entry:
    word_id = word.id or id_of(word.text, word.language)
    return Entry(word_id, word.text, word.language, word.translation, word.rank)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
