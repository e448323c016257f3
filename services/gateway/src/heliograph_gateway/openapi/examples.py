"""Examples for the OpenAPI document, put together from those of the fields. Pure.

A field gives its own (``Field(examples=…)``, ``Query(examples=…)``). Only what its schema tells is derived: a constant, the
first of an enumeration, the default, a time, a boolean, and objects and arrays from what they hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_REFERENCE = "#/components/schemas/"
_DERIVED: dict[str, Any] = {"date-time": "2026-11-20T09:30:00.123Z", "boolean": True, "null": None}


def example_of(schema: Schema, schemas: Mapping[str, Schema], where: str) -> Any:
    """A value that ``schema`` allows; ``schemas`` are the document's components, ``where`` is the place for the error.

    Raises:
        LookupError: the field has no example and none can be derived.
    """
    if stated := _stated(schema):
        return stated[0]
    if reference := schema.get("$ref"):
        name = reference.removeprefix(_REFERENCE)
        return example_of(schemas[name], schemas, name)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return example_of(choices[0], schemas, where)
    return _made(schema, schemas, where)


def _stated(schema: Schema) -> Sequence[Any]:
    """What the schema itself says, best first."""
    if "examples" in schema:
        return list(schema["examples"])
    if "const" in schema:
        return [schema["const"]]
    default = [schema["default"]] if schema.get("default") is not None else []
    return [*default, *schema.get("enum", ())]


def _made(schema: Schema, schemas: Mapping[str, Schema], where: str) -> Any:
    if "properties" in schema:
        fields = schema["properties"].items()
        return {name: example_of(field, schemas, f"{where}.{name}") for name, field in fields}
    kind = schema.get("format") or schema.get("type")
    if kind == "array":
        return [example_of(schema["items"], schemas, where)]
    if kind not in _DERIVED:
        raise LookupError(f"{where} has no example: give it one with examples=[…] at its field")
    return _DERIVED[kind]
