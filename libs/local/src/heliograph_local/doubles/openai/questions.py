"""What a request asks, whichever of the two APIs it came by."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from heliograph_local.doubles.openai import strict
from heliograph_local.doubles.openai.pictures import Picture, picture
from heliograph_local.doubles.openai.schema import CHAT, InvalidRequest

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Question:
    """``call`` is the name of the API's; ``schema`` that of the structured output, ``None`` if any text will do."""

    call: str
    model: str
    text: str
    pictures: tuple[Picture, ...]
    schema_name: str
    schema: dict[str, Any] | None
    max_output_tokens: int | None

    @property
    def about(self) -> str:
        """The digest of the first picture, or nothing."""
        return self.pictures[0].digest if self.pictures else ""

    @property
    def input_tokens(self) -> int:
        """What asking costs."""
        texts = self.text + (json.dumps(self.schema) if self.schema else "")
        return sum(each.tokens for each in self.pictures) + tokens(texts)


def tokens(text: str) -> int:
    """About how many a text has."""
    return math.ceil(len(text) / 4)


def question(call: str, body: dict[str, Any]) -> Question:
    """
    Raises:
        InvalidRequest: the body has the right type, and is wrong for all that.
    """
    if not body.get("model"):  # the type of the Responses API can do without, by a stored prompt
        raise InvalidRequest("Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
    texts: list[str] = []
    pictures: list[Picture] = []
    for part, param in _chat_parts(body) if call == CHAT else _input_parts(body):
        match part.get("type"):
            case "text" | "input_text" | "output_text":
                texts.append(part["text"])
            case "input_image":
                pictures.append(picture(part.get("image_url"), part.get("detail"), param))
            case "image_url":
                given = part["image_url"]
                pictures.append(picture(given.get("url"), given.get("detail"), param))
            case other:
                raise InvalidRequest(f"{param}: the double takes no part of type {other!r}", param=param)
    name, schema = _output(call, body)
    limits = ("max_completion_tokens", "max_tokens") if call == CHAT else ("max_output_tokens",)
    limit = next((body[key] for key in limits if body.get(key) is not None), None)
    return Question(call, body["model"], "\n".join(texts), tuple(pictures), name, schema, limit)


def _input_parts(body: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    if body.get("stream"):
        raise InvalidRequest("stream: the double does not stream", param="stream")
    if body.get("instructions"):
        yield {"type": "text", "text": body["instructions"]}, "instructions"
    given = body.get("input", "")
    for number, item in enumerate([{"role": "user", "content": given}] if isinstance(given, str) else given):
        yield from _parts(item.get("content"), f"input[{number}].content")


def _chat_parts(body: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for number, message in enumerate(body["messages"]):
        yield from _parts(message.get("content"), f"messages[{number}].content")


def _parts(content: Any, param: str) -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}, param
    elif isinstance(content, list):
        for number, part in enumerate(content):
            yield part, f"{param}[{number}]"
    else:
        raise InvalidRequest(f"{param}: the double takes messages and nothing else", param=param)


def _output(call: str, body: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    param = "response_format" if call == CHAT else "text.format"
    form = body.get("response_format") if call == CHAT else body.get("text", {}).get("format")
    if not form or form["type"] == "text":
        return "", None
    if form["type"] != "json_schema":
        raise InvalidRequest(f"{param}: the double takes no {form['type']!r}", param=param)
    told = form["json_schema"] if call == CHAT else form
    name, schema = told["name"], told.get("schema")
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{param}.name: {name!r} is not a name", param=f"{param}.name")
    found = strict.faults(schema) if told.get("strict") else ["the double takes strict schemas only"]
    if found:
        message = f"Invalid schema for response_format '{name}': {'; '.join(found)}"
        raise InvalidRequest(message, param=f"{param}.schema", code="invalid_json_schema")
    return name, schema
