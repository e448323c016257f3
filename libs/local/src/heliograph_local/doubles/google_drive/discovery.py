"""Google's own description of the Drive API, which googleapiclient brings along: is a request one that Google would accept,
is an answer one that it would give? Stricter than Google, which ignores some faults: what is not described is refused.

https://developers.google.com/discovery/v1/reference/apis
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any

import googleapiclient.discovery_cache

_INT64 = re.compile(r"-?\d{1,19}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_STRING_OF = {
    "int64": _INT64,
    "uint64": re.compile(r"\d{1,20}"),
    "date-time": _TIME,
    "google-datetime": _TIME,
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "byte": re.compile(r"[A-Za-z0-9+/_-]*={0,2}"),
}

Check = Callable[[Any, str], Iterator[str]]
"""The faults of a value at a place."""


@cache
def document() -> Mapping[str, Any]:
    """The discovery document of Drive, version 3."""
    text = files(googleapiclient.discovery_cache).joinpath("documents", "drive.v3.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


@dataclass(frozen=True)
class Method:
    """A method of the API, such as ``drive.files.list``."""

    id: str
    http_method: str
    pattern: re.Pattern[str]
    parameters: Mapping[str, Mapping[str, Any]]
    response: str | None
    scopes: frozenset[str]

    def faults(self, query: Sequence[tuple[str, str]]) -> Iterator[str]:
        """What is wrong with the parameters of a request."""
        given = [name for name, _ in query]
        for name, value in query:
            parameter = self.parameters.get(name)
            if parameter is None or parameter["location"] != "query":
                yield f"unknown parameter {name!r}"
                continue
            if given.count(name) > 1 and not parameter.get("repeated"):
                yield f"parameter {name!r} is given more than once"
            yield from (f"parameter {name!r} {fault}" for fault in _parameter_faults(parameter, value))
        for name, parameter in self.parameters.items():
            if parameter.get("required") and parameter["location"] == "query" and name not in given:
                yield f"parameter {name!r} is missing"


@cache
def methods() -> Sequence[Method]:
    """All methods of the API."""
    return tuple(_methods(document()))


def find(http_method: str, path: str) -> tuple[Method, Mapping[str, str]] | None:
    """The method that a request calls, by its path after ``/drive/v3/``, and the parameters in it."""
    for method in methods():
        if method.http_method == http_method and (match := method.pattern.fullmatch(path)):
            return method, match.groupdict()
    return None


def answer_faults(schema: str, answer: Any) -> list[str]:
    """What is wrong with an answer that ought to be a ``schema``: nothing may be in it that is not described."""
    return list(_schema(schema)(answer, schema))


def unknown_fields(schema: str, mask: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """The fields of a selection that a ``schema`` does not have."""
    yield from _unknown({"$ref": schema}, mask, place)


def _unknown(shape: Mapping[str, Any], mask: Mapping[str, Any], place: str) -> Iterator[str]:
    while "$ref" in shape or shape.get("type") == "array":
        shape = document()["schemas"][shape["$ref"]] if "$ref" in shape else shape["items"]
    for name, inner in mask.items():
        if name == "*" or "additionalProperties" in shape:
            continue
        if name not in shape.get("properties", {}):
            yield f"{place}{name}"
        elif inner is not None:
            yield from _unknown(shape["properties"][name], inner, f"{place}{name}/")


def _methods(part: Mapping[str, Any]) -> Iterator[Method]:
    for described in part.get("methods", {}).values():
        path = re.sub(r"\\\{\\?\+?(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(described["path"]))
        yield Method(
            id=described["id"],
            http_method=described["httpMethod"],
            pattern=re.compile(path),
            parameters={**document()["parameters"], **described.get("parameters", {})},
            response=described.get("response", {}).get("$ref"),
            scopes=frozenset(described.get("scopes", ())),
        )
    for resource in part.get("resources", {}).values():
        yield from _methods(resource)


def _parameter_faults(parameter: Mapping[str, Any], value: str) -> Iterator[str]:
    kind = parameter["type"]
    if "enum" in parameter and value not in parameter["enum"]:
        yield f"is {value!r}, not one of {', '.join(parameter['enum'])}"
    if kind == "boolean" and value not in {"true", "false"}:
        yield f"is {value!r}, not true or false"
    if kind == "integer":
        if not _INT64.fullmatch(value):
            yield f"is {value!r}, not an integer"
        elif not int(parameter.get("minimum", -(2**31))) <= int(value) <= int(parameter.get("maximum", 2**31 - 1)):
            yield f"is {value}, out of range"
    if "pattern" in parameter and not re.search(parameter["pattern"], value):
        yield f"is {value!r}, which does not match {parameter['pattern']}"


@cache
def _schema(name: str) -> Check:
    return _check(document()["schemas"][name])


def _check(shape: Mapping[str, Any]) -> Check:
    if "$ref" in shape:
        return partial(_referred, shape["$ref"])
    return _BUILDERS[shape["type"]](shape)


def _referred(name: str, value: Any, place: str) -> Iterator[str]:
    """Looks the schema up when it is needed: schemas refer to themselves."""
    return _schema(name)(value, place)


def _any(_: Mapping[str, Any]) -> Check:
    return lambda value, place: iter(())


def _boolean(_: Mapping[str, Any]) -> Check:
    return lambda value, place: iter(() if isinstance(value, bool) else (f"{place} is no boolean",))


def _object(shape: Mapping[str, Any]) -> Check:
    known = {name: _check(inner) for name, inner in shape.get("properties", {}).items()}
    others = _check(shape["additionalProperties"]) if "additionalProperties" in shape else None

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place} is no object"
            return
        for name, inner in value.items():
            checked = known.get(name, others)
            if checked is None:
                yield f"{place} has no {name!r}"
            else:
                yield from checked(inner, f"{place}.{name}")

    return check


def _array(shape: Mapping[str, Any]) -> Check:
    items = _check(shape["items"])

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{place} is no array"
            return
        for each in value:
            yield from items(each, f"{place}[]")

    return check


def _string(shape: Mapping[str, Any]) -> Check:
    pattern = _STRING_OF.get(shape.get("format", ""))
    allowed = shape.get("enum")

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"{place} is no string"
        elif pattern is not None and not pattern.fullmatch(value):
            yield f"{place} is {value!r}, not of the format {shape['format']}"
        elif allowed is not None and value not in allowed:
            yield f"{place} is {value!r}, not one of {', '.join(allowed)}"

    return check


def _number(shape: Mapping[str, Any]) -> Check:
    kinds = int if shape["type"] == "integer" else (int, float)

    def check(value: Any, place: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, kinds):
            yield f"{place} is no {shape['type']}"

    return check


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], Check]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "boolean": _boolean,
    "integer": _number,
    "number": _number,
    "any": _any,
}
