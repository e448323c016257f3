"""Schemas as providers take them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from heliograph_analyzer.profiles.strict import strict_schema


class Inner(BaseModel):
    """Inside."""

    kind: Literal["a", "b"]


class Outer(BaseModel):
    bounded: Annotated[str, Field(min_length=1, max_length=3, pattern="^a")] = "a"
    number: float = Field(ge=0, lt=5, multiple_of=0.5, description="A number.")
    maybe: int | None = None
    inner: Inner = Field(description="The inner one.")
    many: list[Inner] = Field(min_length=1, max_length=2)


class Tree(BaseModel):
    children: list[Tree]


class Open(BaseModel):
    values: dict[str, str]


class Untyped(BaseModel):
    value: Any


def test_keys_are_required_and_bounds_left_out() -> None:
    inner = {
        "type": "object",
        "description": "Inside.",
        "properties": {"kind": {"type": "string", "enum": ["a", "b"]}},
        "required": ["kind"],
        "additionalProperties": False,
    }
    assert strict_schema(Outer) == {
        "type": "object",
        "properties": {
            "bounded": {"type": "string"},
            "number": {"type": "number", "description": "A number."},
            "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "inner": {**inner, "description": "The inner one."},
            "many": {"type": "array", "items": inner},
        },
        "required": ["bounded", "number", "maybe", "inner", "many"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("model", "fault"), [(Tree, "refers to itself"), (Open, "without known keys"), (Untyped, "give each field a type")]
)
def test_what_no_provider_takes_is_noticed_here(model: type[BaseModel], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        strict_schema(model)
