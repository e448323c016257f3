"""What a search asks for, read from its text as web search engines do: words, ``"phrases"``, ``-not``, ``or``. Pure.

Nothing is an error: an open quote ends with the text, an ``or`` without a neighbor is a word. What is a word is not known
here but in PostgreSQL (``search_tokens``), which splits the names of files in the same way: a term such as ``img_1234`` may
turn out to be a phrase of two words, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

_PARTS = re.compile(r'(?P<minus>-?)(?:"(?P<quoted>[^"]*)"?|(?P<bare>[^\s"]+))')


@dataclass(frozen=True)
class Term:
    """One part of a search. ``begins``: its last word may be the beginning of a longer one."""

    text: str
    excluded: bool = False
    begins: bool = False


@dataclass(frozen=True)
class Phrase:
    """A term as PostgreSQL splits it: words that follow one another."""

    words: tuple[str, ...]
    excluded: bool = False
    begins: bool = False

    def as_tsquery(self) -> str:
        """In the syntax of ``tsquery``."""
        quoted = ["'" + word.replace("'", "''") + "'" for word in self.words]
        found = f"({' <-> '.join(quoted)}{':*' if self.begins else ''})"
        return f"!{found}" if self.excluded else found


Clause = tuple[Phrase, ...]
"""One of these must match."""


def read(text: str) -> list[tuple[Term, ...]]:
    """The terms of ``text``: one of each tuple must match. A last word without quotes matches the beginnings of words."""
    clauses: list[tuple[Term, ...]] = []
    joined = False
    tokens = list(_tokens(text))
    for number, (term, quoted) in enumerate(tokens):
        between = 0 < number < len(tokens) - 1
        if between and not joined and not quoted and not term.excluded and term.text.lower() == "or":
            joined = True
        elif joined:
            clauses[-1] = (*clauses[-1], term)
            joined = False
        else:
            clauses.append((term,))
    if tokens and not tokens[-1][1] and not tokens[-1][0].excluded:
        clauses[-1] = (*clauses[-1][:-1], replace(clauses[-1][-1], begins=True))
    return clauses


def _tokens(text: str) -> Iterator[tuple[Term, bool]]:
    """Terms, and whether each stood in quotes."""
    for part in _PARTS.finditer(text):
        quoted = part["quoted"] is not None
        yield Term(part["quoted"] if quoted else part["bare"], excluded=bool(part["minus"])), quoted


def split(clauses: Sequence[Sequence[Term]], words: Mapping[str, Sequence[str]]) -> list[Clause]:
    """``clauses`` with the words of each text; terms without a word are left out, and clauses without a term."""
    found = (
        tuple(Phrase(tuple(words[term.text]), term.excluded, term.begins) for term in clause if words[term.text])
        for clause in clauses
    )
    return [clause for clause in found if clause]


def as_tsquery(clauses: Sequence[Clause]) -> str:
    """All clauses in the syntax of ``tsquery``."""
    return " & ".join(f"({' | '.join(phrase.as_tsquery() for phrase in clause)})" for clause in clauses)
