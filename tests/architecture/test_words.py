"""Code, docs and charts use the field's own words: what only this project would understand is rejected, with the word to
use. The OpenAPI and AsyncAPI documents and problems have rules of their own (``tests/contracts/test_wording.py``)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EVERYWHERE = {
    r"rooms|(this|other|above|each|no other) room": "package or layer",
    r"twins?": "fake",
    r"(made|make|makes) ready": "provisioned",
    r"(the|front) door": "admission, or entry point",
    r"house": "project, or Conventions",
    r"(gone|goes|go) home": "finished",
    r"(keeps?|in|out of|into) the books": "records",
    r"desk": "harness",
    r"the flock|flock of": "clients or workers; flock(2) is the lock",
    r"test_near|test_asked": "test_similarity, test_upload_options",
    r"(asked|near)_(options|images)": "upload options, similarity",
}
"""Private words, as regular expressions without regard to case, and what to use instead. They hold for tests too."""

PRODUCT = {
    r"mend(s|ed|ing)?": "repair, or fix",
    r"anew": "again",
    r"(used|called) by (the )?(``\w|\w+\.py)\S*": "what the module owns, not who calls it",
}
"""Beside those: what the product, its charts and its docs do not say."""

PUBLIC = {
    r"nobody|no one": "name who may, or use the passive",
    r"whoever": "anyone who, or the role",
    r"(is|are) away": "is unavailable",
    r"(is|are|was|were) told": "is shown, reported or logged",
    r"good token": "valid token",
    r"give[ns]? up on": "fail, or mark as failed",
}
"""Beside those: what users read in guides, runbooks, chart values and the help of commands."""

_PRODUCT_FILES = ("libs", "services", "charts", "docs", "scripts", "k8s", "*.md", "Makefile", "skaffold.yaml")
_PUBLIC_FILES = (
    "README.md", "docs/guides", "docs/runbooks", "docs/reliability.md", "charts", "k8s", "Makefile",
    "libs/client/src/heliograph_client/cli", "libs/local/src/heliograph_local/cli.py",
)  # fmt: skip
_EXCEPTIONS = (
    ":!docs/adr",  # decisions keep the words in which they were made
    ":!*LICENSE",
    ":!tests/architecture/test_words.py",
    ":!tests/contracts/*.py",  # names the words that the public documents may not have
    ":!*package-lock.json",
    ":!CHANGELOG.md",
)
_ALLOWED = ("user nobody", "``nobody``", 'getpwnam("nobody")')
"""Names of the operating system: the user ``nobody``."""


def _lines(*patterns: str) -> Iterator[tuple[str, str]]:
    """Place and text of every line in the tracked files, file names among them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns, *_EXCEPTIONS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            yield name, Path(name).stem
            text = path.read_bytes().decode("utf-8", errors="ignore")
            yield from ((f"{name}:{number}", line) for number, line in enumerate(text.splitlines(), 1))


def faults(lines: Iterator[tuple[str, str]], banned: dict[str, str]) -> list[str]:
    """Each place with the word that it may not have, and what to use."""
    found = []
    patterns = [(re.compile(rf"\b({word})(?!\w)", re.IGNORECASE), instead) for word, instead in banned.items()]
    for place, line in lines:
        text = line
        for allowed in _ALLOWED:
            text = text.replace(allowed, "")
        for pattern, instead in patterns:
            if match := pattern.search(text):
                found.append(f"{place}: {match[0]!r}; use: {instead}")
    return found


@pytest.mark.parametrize(
    ("banned", "patterns"),
    [(EVERYWHERE, (".",)), (PRODUCT, _PRODUCT_FILES), (PUBLIC, _PUBLIC_FILES)],
    ids=["everywhere", "product", "public"],
)
def test_words_are_the_fields_own(banned: dict[str, str], patterns: tuple[str, ...]) -> None:
    assert faults(_lines(*patterns), banned) == []


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ('"""Only this room imports jwt."""', "package or layer"),
        ("Each port has a twin", "fake"),
        ("the streams are made ready", "provisioned"),
        ("## Rules of the House", "Conventions"),
        ("Used by ``logs`` and ``spans``.", "not who calls it"),
        ("--repair mends it", "repair, or fix"),
        ("NATS is away", "unavailable"),
        ("sockets are told", "reported"),
    ],
)
def test_a_private_word_is_found(line: str, instead: str) -> None:
    [fault] = faults(iter([("here", line)]), EVERYWHERE | PRODUCT | PUBLIC)
    assert instead in fault


@pytest.mark.parametrize(
    "line", ["space for more", "there is room again", "PostgreSQL runs as user nobody", "fcntl.flock(file)"]
)
def test_plain_words_pass(line: str) -> None:
    assert faults(iter([("here", line)]), EVERYWHERE | PRODUCT | PUBLIC) == []
