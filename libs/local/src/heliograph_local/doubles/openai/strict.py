"""What OpenAI takes as the schema of a structured output with ``strict``.

https://platform.openai.com/docs/guides/structured-outputs#supported-schemas, read strictly: a key that it does not list as
supported is refused, whichever models may have come to take it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_ANYWHERE = {"type", "title", "description", "enum", "const", "anyOf", "$ref", "$defs", "definitions"}
_OF_TYPE = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"pattern", "format"},
    "number": {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "integer": {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "boolean": set[str](),
    "null": set[str](),
}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
DEPTH = 10


def faults(schema: Any) -> list[str]:
    """What OpenAI would refuse in a schema."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object" or "anyOf" in schema:
        return ["schema must be a JSON Schema of 'type: \"object\"'"]
    return list(_faults(schema, ()))


def _faults(node: Any, path: tuple[str, ...]) -> Iterator[str]:
    at = f"In context={path!r}"
    if not isinstance(node, Mapping):
        yield f"{at}, a schema must be an object"
        return
    if "$ref" in node and len(node) > 1:
        yield f"{at}, $ref cannot have keywords {sorted(set(node) - {'$ref'})}"
    types = node.get("type", [])
    types = [types] if isinstance(types, str) else types
    if not types and not {"$ref", "anyOf", "enum", "const"} & node.keys():
        yield f"{at}, schema must have a 'type' key"
    permitted = _ANYWHERE.union(*(_OF_TYPE.get(each, set()) for each in types))
    yield from (f"{at}, '{key}' is not permitted" for key in sorted(node.keys() - permitted))
    if node.get("format", "date") not in _FORMATS:
        yield f"{at}, '{node['format']}' is not a supported format"
    if "object" in types:
        yield from _object_faults(node, at)
    if sum(part == "properties" for part in path) > DEPTH:
        yield f"{at}, more than {DEPTH} levels of nesting"
        return
    yield from _inner_faults(node, path)


def _object_faults(node: Mapping[str, Any], at: str) -> Iterator[str]:
    if node.get("additionalProperties") is not False:
        yield f"{at}, 'additionalProperties' is required to be supplied and to be false."
    if sorted(node.get("required", [])) != sorted(node.get("properties", {})):
        yield f"{at}, 'required' is required to be supplied and to be an array including every key in properties."


def _inner_faults(node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key in ("properties", "$defs", "definitions"):
        for name, inner in node.get(key, {}).items():
            yield from _faults(inner, (*path, key, name))
    if "items" in node:
        yield from _faults(node["items"], (*path, "items"))
    for number, inner in enumerate(node.get("anyOf", ())):
        yield from _faults(inner, (*path, "anyOf", str(number)))
