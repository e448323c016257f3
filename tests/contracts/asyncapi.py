"""Holds messages to the AsyncAPI document, more strictly than readers are: what it does not name must not be there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator

from heliograph_notifier.asyncapi import document

DOCUMENT: dict[str, Any] = json.loads(document())


def _closed(node: Any) -> Any:
    """All schemas in ``node`` without room for other fields."""
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    more = {"additionalProperties": False} if node.get("type") == "object" and "properties" in node else {}
    return more | {name: _closed(each) for name, each in node.items()}


_COMPONENTS = {"schemas": _closed(DOCUMENT["components"]["schemas"])}


def messages_of(operation: str) -> set[str]:
    """The messages of an operation, by their ids."""
    return {each["$ref"].rpartition("/")[2] for each in DOCUMENT["operations"][operation]["messages"]}


def is_valid(message: str, payload: object) -> bool:
    """Whether ``payload`` is a message of this id."""
    schema = {**DOCUMENT["components"]["messages"][message]["payload"], "components": _COMPONENTS}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).is_valid(payload)


def told_apart(names: Iterable[str], payload: object) -> str:
    """The one message among ``names`` that ``payload`` is."""
    fitting = [name for name in sorted(names) if is_valid(name, payload)]
    assert len(fitting) == 1, f"{payload} is {fitting or 'none of the documented messages'}"
    return fitting[0]
