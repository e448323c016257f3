"""What the public documents may not say, and the form of what they say. ``test_wording`` holds both documents to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_BANNED = (
    r"\b(is|are|was|were) no\b(?! longer)",
    r"\bno one\b",
    r"\b(not|is|are) taken\b",
    r"\btakes? (pictures|in)\b",
    r"\bthat there (is|are)\b",
    r"\b(is|are) away\b",
    r"\bnobody\b",
    r"\basked for\b",
    r"\bmade ready\b",
    r"\bthings?\b",
    r"\banew\b",
    r"\bcome back\b",
    r"\bmend(s|ed)?\b",
    r"\bwhoever\b",
    r"\bgood token\b",
    r"\bneeds not\b",
    r"\bpictures?\b(?! (was|were) taken)(?!s\.example)",
    r"\b(have|has) \w+ raised\b",
    r"\bspoken\b",
    r"\btells?\b",
    r"\bcircuit\b",
)
_BAD = re.compile("|".join(_BANNED), re.IGNORECASE)
_LONGEST_TITLE = 60
_LONGEST_SUMMARY = 60


def faults_of_sentences(text: str) -> Iterator[str]:
    """What is wrong with a description, a remedy or a detail."""
    prose = re.sub(r"`[^`]*`", "`x`", text)
    yield from faults_of_words(text)
    if not re.match(r"[A-Z`\[1-9]", prose):
        yield "does not begin like a sentence"
    if not re.search(r"[.?!:)]$", prose) and "](" not in prose:
        yield "does not end like a sentence"


def faults_of_title(text: str, longest: int = _LONGEST_TITLE) -> Iterator[str]:
    """What is wrong with a title or a summary."""
    yield from faults_of_words(text)
    if not re.match(r"[A-Z]", text):
        yield "does not begin with a capital"
    if text.endswith("."):
        yield "ends with a full stop"
    if len(text) > longest:
        yield f"is longer than {longest} characters"


def faults_of_words(text: str) -> Iterator[str]:
    """What is wrong with a text of any form."""
    if found := _BAD.search(re.sub(r"`[^`]*`", "`x`", text)):
        yield f"says {found[0]!r}"
    if "  " in text or "``" in text:
        yield "has two spaces or backticks in a row"


def descriptions(node: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Place and text of every description in a document, those in examples left out."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "description" and isinstance(value, str):
                yield at, value
            elif key not in {"example", "examples", "links"}:
                yield from descriptions(value, f"{at}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from descriptions(value, f"{at}/{index}")


def undescribed(schema: Any, at: str) -> Iterator[str]:
    """Places of the properties in a schema that have no description."""
    if isinstance(schema, dict):
        for name, field in schema.get("properties", {}).items() if isinstance(schema.get("properties"), dict) else ():
            if not field.get("description"):
                yield f"{at}.{name}"
        for key, value in schema.items():
            if key not in {"example", "examples"}:
                yield from undescribed(value, f"{at}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from undescribed(value, f"{at}/{index}")
