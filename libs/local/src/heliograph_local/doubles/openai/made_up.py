"""Makes up an answer: something that fits any schema, always the same for the same picture."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from heliograph_local.doubles.openai.schema import fits
from heliograph_local.doubles.openai.texts import MADE_UP, known

_WORDS = ("amber", "breeze", "cedar", "dune", "ember", "fjord", "grove", "harbour", "island", "juniper")
_OF_FORMAT = {
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "made.up@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEPTH = 5  # from here on, what may be left out is


class CannotMakeUp(Exception):
    """A schema that asks for more than is known here, such as a pattern."""


def text(schema: dict[str, Any] | None, seed: str) -> str:
    """The answer to a question: JSON that fits ``schema``, or a sentence.

    Raises:
        CannotMakeUp: nothing that is made up here would fit.
    """
    if schema is None:
        return f"{MADE_UP}a picture that nobody has looked at ({seed[:6]})."
    made = _Maker(schema, seed).make(schema, ())
    if not fits(made, schema):
        raise CannotMakeUp(f"nothing that fits the schema: {json.dumps(schema)[:300]}")
    return json.dumps(made, ensure_ascii=False)


class _Maker:
    def __init__(self, root: Mapping[str, Any], seed: str) -> None:
        self._root, self._seed = root, seed

    def make(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        """Something for ``path`` that fits."""
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._pick(schema["enum"], path)
        if "anyOf" in schema:
            return self.make(self._option(schema["anyOf"], path), path)
        kinds = schema.get("type", "string")
        if isinstance(kinds, list):
            kinds = min(kinds, key=lambda each: each == "null")
        return self._of_type(kinds, schema, path)

    def _of_type(self, kind: str, schema: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        makers: Mapping[str, Callable[[], Any]] = {
            "object": lambda: self._object(schema, path),
            "array": lambda: self._array(schema, path),
            "integer": lambda: self._number(schema, path, whole=True),
            "number": lambda: self._number(schema, path, whole=False),
            "string": lambda: self._string(schema, path),
            "boolean": lambda: False,
            "null": lambda: None,
        }
        return makers[kind]()

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            found: Any = self._root
            for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")] if part else found
            schema = found
        return schema

    def _option(self, options: list[Mapping[str, Any]], path: tuple[str, ...]) -> Mapping[str, Any]:
        """One of a union: not null, unless it is deep within itself."""
        null = [each for each in options if self._resolved(each).get("type") == "null"]
        if null and len(path) > _DEPTH:
            return null[0]
        chosen: Mapping[str, Any] = self._pick([each for each in options if each not in null] or null, path)
        return chosen

    def _object(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        if len(path) > 8 * _DEPTH:
            raise CannotMakeUp("a schema without an end")
        properties = schema.get("properties", {})
        told = known(set(properties), self._seed)
        made = {}
        for name, inner in properties.items():
            whole = {**inner, "$defs": self._root.get("$defs", {}), "definitions": self._root.get("definitions", {})}
            here = name in told and fits(told[name], whole)
            made[name] = told[name] if here else self.make(inner, (*path, name))
        return made

    def _array(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", 3)
        wanted = 0 if len(path) > _DEPTH else 1 + self._number_of(path) % 3
        return [self.make(schema["items"], (*path, str(n))) for n in range(max(least, min(most, wanted)))]

    def _number(self, schema: Mapping[str, Any], path: tuple[str, ...], *, whole: bool) -> float:
        step = schema.get("multipleOf", 1 if whole else 0.01)
        low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
        high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
        low = low if low > -math.inf else min(0, high - 100)
        high = high if high < math.inf else low + 100
        first, last = math.ceil(low / step), math.floor(high / step)
        first += first * step <= schema.get("exclusiveMinimum", -math.inf)
        last -= last * step >= schema.get("exclusiveMaximum", math.inf)
        if first > last:
            return float(low + (high - low) / 2)
        made: float = (first + self._number_of(path) % (last - first + 1)) * step
        return int(made) if whole else round(made, 6)

    def _string(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> str:
        if "format" in schema and schema["format"] in _OF_FORMAT:
            return _OF_FORMAT[schema["format"]]
        words = f"{self._pick(_WORDS, path)} {self._pick(_WORDS, (*path, 'more'))}"
        made = f"{MADE_UP}{words}".ljust(schema.get("minLength", 0), ".")
        return made[: schema.get("maxLength", len(made))]

    def _pick(self, options: Any, path: tuple[str, ...]) -> Any:
        return options[self._number_of(path) % len(options)]

    def _number_of(self, path: tuple[str, ...]) -> int:
        return int.from_bytes(hashlib.sha256("/".join([self._seed, *path]).encode()).digest()[:8], "big")
