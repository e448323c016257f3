"""OpenAI's own schema, as its SDK's types carry it: of what each call takes, and of what it answers.

JSON Schema and not pydantic's own validation: that takes any ``Iterable`` of a request unseen until it is read. Keys that
the types do not have are refused, though the SDK itself lets them pass, so that it works with a newer server.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from openai.types import ErrorObject, Model
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

RESPONSES, CHAT = "responses.create", "chat.completions.create"
RETRIEVE, LIST = "models.retrieve", "models.list"

_TYPES: dict[tuple[str, str], Any] = {
    (RESPONSES, "request"): ResponseCreateParamsNonStreaming,
    (CHAT, "request"): CompletionCreateParamsNonStreaming,
    (RESPONSES, "answer"): Response,
    (CHAT, "answer"): ChatCompletion,
    (RETRIEVE, "answer"): Model,
    ("error", "answer"): ErrorObject,
}


class Invalid(Exception):
    """Something that does not match the schema. ``param`` is where: ``input[0].content[1].detail``."""

    def __init__(self, message: str, *, param: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.param, self.code = param, code


class InvalidRequest(Invalid):
    """A request that OpenAI would not accept, or that nobody should make."""


class InvalidAnswer(Invalid):
    """An answer that OpenAI would not give."""


def request(call: str, body: bytes) -> dict[str, Any]:
    """The body of a request.

    Raises:
        InvalidRequest: it is not of the type, or has a key that the type has not.
    """
    try:
        given = json.loads(body)
    except ValueError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    if fault := _fault(_validator(call, "request"), given):
        raise InvalidRequest(f"{fault.json_path}: {_short(fault)}", param=fault.json_path.removeprefix("$."))
    return dict(given)


def answer(call: str, given: dict[str, Any]) -> bytes:
    """An answer as JSON.

    Raises:
        InvalidAnswer: it is not of the type, or has a key that the type has not.
    """
    if fault := _fault(_validator(call, "answer"), given):
        raise InvalidAnswer(f"the answer of {call}: {fault.json_path}: {_short(fault)}")
    return json.dumps(given, ensure_ascii=False).encode()


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value matches a schema that was requested."""
    return bool(Draft202012Validator(schema).is_valid(value))


def load() -> None:
    """Derives all schemas now, which takes a second, so that the first request does not."""
    for call, side in _TYPES:
        _validator(call, side)


@cache
def _validator(call: str, side: str) -> Draft202012Validator:
    schema = TypeAdapter(_TYPES[call, side]).json_schema()
    _close(schema)
    return Draft202012Validator(schema)


def _close(node: Any) -> None:
    """Forbids, in each object of the schema, keys that it does not name."""
    if isinstance(node, dict):
        if node.get("type") == "object" and isinstance(node.get("properties"), dict):
            node["additionalProperties"] = False
        for inner in node.values():
            _close(inner)
    elif isinstance(node, list):
        for inner in node:
            _close(inner)


def _fault(validator: Draft202012Validator, given: Any) -> ValidationError | None:
    faults = sorted(validator.iter_errors(given), key=lambda fault: fault.json_path)
    return _most_telling(faults) if faults else None


def _most_telling(faults: Sequence[ValidationError]) -> ValidationError:
    """Of a union, the fault within the member that was most likely meant: that with the fewest faults, or the deepest."""
    first = faults[0]
    if not first.context:
        return first
    members: dict[Any, list[ValidationError]] = {}
    for fault in first.context:
        members.setdefault(fault.schema_path[0], []).append(fault)
    told = [(len(found), _most_telling(found)) for found in members.values()]
    return min(told, key=lambda each: (each[0], -len(each[1].absolute_path)))[1]


def _short(fault: ValidationError) -> str:
    return fault.message if len(fault.message) <= 300 else f"{fault.message[:150]} … {fault.message[-150:]}"
