"""The OpenAPI and the AsyncAPI document, and all kinds of problems, read like those of other public APIs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.asyncapi import DOCUMENT as ASYNCAPI
from tests.contracts.wording import (
    descriptions,
    faults_of_sentences,
    faults_of_title,
    faults_of_words,
    undescribed,
)
from tests.openapi import DOCUMENT as OPENAPI

from heliograph_common.http.problems import SHARED_KINDS, Kind
from heliograph_gateway.checks import findings
from heliograph_gateway.http.problems import KINDS
from heliograph_gateway.openapi import document as openapi
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.transports import problems as socket_problems

ROOT = Path(__file__).parents[2]


OPERATIONS = list(openapi.operations(OPENAPI))
_KINDS = [*SHARED_KINDS, *KINDS.values(), *(each for each in vars(socket_problems).values() if isinstance(each, Kind))]
_RAISED_IN = ("services/gateway/src", "services/notifier/src", "libs/common/src/heliograph_common/http")


def test_every_kind_of_problem_has_a_title_and_a_remedy_in_plain_english() -> None:
    wrong = [(kind.title, fault) for kind in _KINDS for fault in faults_of_title(kind.title)]
    wrong += [(kind.remedy, fault) for kind in _KINDS for fault in faults_of_sentences(kind.remedy)]
    assert not wrong


def test_every_summary_is_a_short_imperative() -> None:
    wrong = [(each["summary"], fault) for _, _, each in OPERATIONS for fault in faults_of_title(each["summary"])]
    first = {each["summary"].split()[0] for _, _, each in OPERATIONS}
    assert not wrong
    assert not {word for word in first if word.endswith("s")} - {"Access"}
    assert not first & {"How", "What", "Whether", "Where", "Work", "Status", "All", "Show"}


@pytest.mark.parametrize("document", [OPENAPI, ASYNCAPI], ids=["openapi", "asyncapi"])
def test_every_description_is_made_of_sentences(document: dict[str, Any]) -> None:
    found = list(descriptions(document))
    assert len(found) > 100
    assert not [(at, text, fault) for at, text in found for fault in faults_of_sentences(text)]


def test_every_parameter_schema_and_property_of_openapi_is_described() -> None:
    components = OPENAPI["components"]
    missing = [name for name, schema in components["schemas"].items() if not schema.get("description")]
    for _, _, operation in OPERATIONS:
        name = operation["operationId"]
        missing += [f"{name} {each['name']}" for each in operation.get("parameters", ()) if not each.get("description")]
        missing += undescribed(operation.get("requestBody"), name)
    assert not missing + list(undescribed(components["schemas"], "schemas"))


def test_every_schema_and_property_of_asyncapi_is_described() -> None:
    components = ASYNCAPI["components"]
    missing = [name for name, schema in components["schemas"].items() if not schema.get("description")]
    missing += [name for name, message in components["messages"].items() if not message.get("summary")]
    assert not missing + list(undescribed(ASYNCAPI, "asyncapi"))


def test_every_summary_of_asyncapi_is_a_sentence() -> None:
    told = [each["summary"] for each in ASYNCAPI["components"]["messages"].values()]
    told += [each["summary"] for each in ASYNCAPI["operations"].values() if "summary" in each]
    assert not [(text, fault) for text in told for fault in faults_of_sentences(text)]


def test_close_codes_and_findings_say_what_to_do_in_sentences() -> None:
    told = [code.meaning for code in CloseCode] + [kind.remedy for kind in findings.KINDS.values()]
    assert not [(text, fault) for text in told for fault in faults_of_sentences(text)]


def test_every_detail_of_a_problem_is_in_plain_english() -> None:
    told = [
        (str(path), text) for folder in _RAISED_IN for path in (ROOT / folder).rglob("*.py") for text in _details(path)
    ]
    assert len(told) > 60
    assert not [(path, text, fault) for path, text in told for fault in faults_of_words(text)]
    assert not [(path, text) for path, text in told if not text[0].isupper() and text[0] not in "`x"]


def _details(path: Path) -> Iterator[str]:
    """The second argument of every ``Problem(…)``, where it is written there."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem" and len(node.args) > 1:
            text = _text(node.args[1])
            if text and text.strip("x"):
                yield text


def _text(node: ast.expr) -> str:
    """A string as it is written, with ``x`` for what is put in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "x" for part in node.values)
    return ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("The body is no JSON", "says"),
        ("There are things", "says"),
        ("the body", "capital"),
        ("Not found.", "full stop"),
        ("Two  spaces", "two spaces"),
        ("L" * 61, "longer"),
    ],
)
def test_a_bad_title_is_found(text: str, fault: str) -> None:
    assert any(fault in found for found in faults_of_title(text))
