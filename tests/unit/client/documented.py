"""Holds requests and answers of the fake server to the gateway's OpenAPI document, so that neither it nor the client can
differ from the gateway without a test saying so.

Header fields that HTTP itself defines are left to HTTP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema.exceptions import best_match
from tests.openapi import DOCUMENT, validator

_PLAIN_HTTP = frozenset({
    "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "date", "host", "server",
    "traceparent", "transfer-encoding", "user-agent",
})  # fmt: skip
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


@dataclass(frozen=True)
class Operation:
    """One operation of the document, and the values of the parameters in its path."""

    name: str
    description: dict[str, Any]
    in_path: dict[str, str]

    def wrong_request(self, query: list[tuple[str, str]], headers: Mapping[str, str], body: bytes) -> Iterator[str]:
        """What the document does not allow, in words."""
        sent = {"path": list(self.in_path.items()), "query": query, "header": list(headers.items())}
        for kind, values in sent.items():
            known = {_name(each): each for each in self.description.get("parameters", ()) if each["in"] == kind}
            for name, value in values:
                if _name({"name": name, "in": kind}) in known:
                    schema = known[_name({"name": name, "in": kind})]["schema"]
                    yield from _differences(f"{self.name}: {name}", _read(value, schema), schema)
                elif kind == "query" or name.lower() not in _PLAIN_HTTP:
                    yield f"{self.name}: there is no {kind} parameter {name}"
            given = {_name({"name": name, "in": kind}) for name, _ in values}
            yield from (
                f"{self.name}: {name} is missing" for name in known if known[name]["required"] and name not in given
            )
        yield from self._wrong_body(headers.get("content-type", ""), body)

    def _wrong_body(self, content_type: str, body: bytes) -> Iterator[str]:
        described = self.description.get("requestBody")
        if described is None:
            if body:
                yield f"{self.name}: it takes no body"
            return
        if not body and not described.get("required"):
            return
        yield from _wrong_content(f"{self.name}: the body", described["content"], content_type, body)

    def wrong_answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
        """What the document does not tell, in words."""
        where = f"{self.name}: {status}"
        described = self.description["responses"].get(str(status))
        if described is None:
            yield f"{where}: no such status"
            return
        told = {name.lower(): _resolved(each) for name, each in described.get("headers", {}).items()}
        known = {name: each["schema"] for name, each in told.items()}
        missing = [name for name, each in told.items() if each.get("required") and name not in headers]
        yield from (f"{where}: {name} is missing" for name in missing)
        for name, value in headers.items():
            if name.lower() in known:
                schema = known[name.lower()]
                yield from _differences(f"{where}: {name}", _read(value, schema), schema)
            elif name.lower() not in _PLAIN_HTTP:
                yield f"{where}: no header {name}"
        content = described.get("content", {})
        yield from _wrong_content(where, content, headers.get("content-type", ""), body)
        if headers.get("content-type") == "application/problem+json":
            kind = json.loads(body)["type"].removeprefix("/problems/")
            if kind not in content.get("application/problem+json", {}).get("examples", {kind: None}):
                yield f"{where}: no problem {kind}"


def operation(method: str, path: str) -> Operation | None:
    """The operation that a request asks for, if the document has one."""
    for pattern, name, described in _operations():
        if name.startswith(f"{method} ") and (found := pattern.fullmatch(path)):
            return Operation(name, described, found.groupdict())
    return None


@cache
def _operations() -> list[tuple[re.Pattern[str], str, dict[str, Any]]]:
    """Fixed paths first, as ``/v1/uploads/batch`` is no upload's id."""
    return [
        (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), f"{method.upper()} {path}", described)
        for path, methods in sorted(DOCUMENT["paths"].items(), key=lambda item: item[0].count("{"))
        for method, described in methods.items()
        if method in _METHODS
    ]


def _wrong_content(where: str, content: dict[str, Any], content_type: str, body: bytes) -> Iterator[str]:
    media_type = content_type.partition(";")[0].strip()
    fitting = [each for each in content if each in {media_type, f"{media_type.partition('/')[0]}/*"}]
    if not fitting and (content or body):
        yield f"{where}: {media_type or 'no content type'} instead of {', '.join(content) or 'nothing'}"
    elif media_type.endswith("json") and fitting:
        yield from _differences(where, json.loads(body), content[fitting[0]]["schema"])


def _differences(where: str, value: object, schema: dict[str, Any]) -> Iterator[str]:
    for error in validator(schema).iter_errors(value):
        told = best_match([error])
        assert told is not None
        yield f"{where}: {told.json_path}: {told.message}"


def _read(text: str, schema: dict[str, Any]) -> object:
    """A value of a path, query or header as the schema has it: a number or truth value is written as JSON."""
    kinds = {each.get("type") for each in (schema, *schema.get("anyOf", ()))}
    if kinds & {"integer", "number", "boolean"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _name(parameter: Mapping[str, str]) -> str:
    """Header names are the same in any case."""
    return parameter["name"].lower() if parameter["in"] == "header" else parameter["name"]


def _resolved(described: dict[str, Any]) -> dict[str, Any]:
    reference = described.get("$ref")
    if reference is None:
        return described
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)
