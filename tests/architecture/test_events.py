"""Events are only ever made of ``event_facts``: whoever filled them in by hand could tell another revision."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliograph_common.contracts.import_messages import ImportEvent
from heliograph_common.contracts.messages import EVENTS, ImageEvent
from heliograph_common.contracts.word_messages import WordEvent

ROOT = Path(__file__).parents[2]
BASES = (ImageEvent, ImportEvent, WordEvent)
FACTS = {
    event.__name__: set(base.__struct_fields__)
    for base in BASES
    for event in (*EVENTS, base)
    if issubclass(event, base)
}
"""What is not written by hand, by the name of the event."""


def made_by_hand(source: str) -> Iterator[ast.Call]:
    """The calls that make an event otherwise than by ``**event_facts(...)`` and its own fields."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _name(node.func) in FACTS:
            spread = [each.value for each in node.keywords if each.arg is None]
            own = {each.arg for each in node.keywords if each.arg is not None}
            if node.args or own & FACTS[_name(node.func)] or len(spread) != 1 or not _is_facts(spread[0]):
                yield node


def _is_facts(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == "event_facts"


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def sources() -> list[Path]:
    """All modules of services and libraries."""
    listed = subprocess.run(
        ["git", "ls-files", "libs/*/src/*.py", "services/*/src/*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def test_events_are_made_of_what_a_change_returned() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sources()
        for call in made_by_hand(path.read_text(encoding="utf-8"))
    ]
    assert not found, "make it of **event_facts(row), with the row that the change returned"


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("ImageDeleted(**event_facts(row))", False),
        ("messages.ImageReady(**statements.event_facts(row), accepted_at=row.created_at)", False),
        ("ImageDeleted(image_id=row.id, name=row.name, progress=100, stages=stages, revision=3)", True),
        ("ImageDeleted(**event_facts(row), revision=3)", True),
        ("ImageDeleted(**facts)", True),
        ("ImageDeleted(**facts, **event_facts(row))", True),
        ("messages.ImageRetried()", True),
        ("RenderImage(image_id=row.id)", False),
        ("WordImageStored(**event_facts(word), image_id=image.id)", False),
        ("WordImageStored(**event_facts(word), word_id=word.id)", True),
        ("ImportFailed(**event_facts(row), counts=counts, reason=reason)", True),
    ],
)
def test_the_rule_finds_what_it_is_for(call: str, wrong: bool) -> None:
    assert bool(list(made_by_hand(call))) is wrong
