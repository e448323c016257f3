"""JSON schemas of result models, as providers take them for structured outputs. Pure.

OpenAI's strict mode wants every key required and no others, and refuses schemas with keywords that it does not know; servers
that speak its API know fewer still. So bounds stay out: results are validated afterwards, in any case.
https://developers.openai.com/api/docs/guides/structured-outputs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_KEPT = ("type", "description", "enum", "const")
"""Keywords that are taken as they are. Those with schemas in them are followed; others are bounds, titles and defaults."""


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The strict JSON schema of ``model``, by the aliases of its fields, without references.

    Raises:
        ValueError: it has keys that are not known beforehand, or refers to itself.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _strict(schema, schema.get("$defs", {}), ())


def _strict(schema: Mapping[str, Any], definitions: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name in within:
            raise ValueError(f"{name} refers to itself: results have no recursive parts")
        return _strict({**definitions[name], **_described(schema)}, definitions, (*within, name))
    strict: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if schema.get("type") == "object":
        if not schema.get("properties"):
            raise ValueError("an object without known keys: name its keys in a model")
        strict["properties"] = {key: _strict(value, definitions, within) for key, value in schema["properties"].items()}
        strict["required"] = list(schema["properties"])
        strict["additionalProperties"] = False
    if "items" in schema:
        strict["items"] = _strict(schema["items"], definitions, within)
    if "anyOf" in schema:
        strict["anyOf"] = [_strict(each, definitions, within) for each in schema["anyOf"]]
    if not {"type", "enum", "const", "anyOf"} & strict.keys():
        raise ValueError("a value of any type: give each field a type")
    return strict


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": schema["description"]} if "description" in schema else {}
