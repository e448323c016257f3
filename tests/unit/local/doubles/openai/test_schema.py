"""The double of OpenAI accepts what OpenAI takes and Heliograph should send, and says nothing that OpenAI would not say."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator

from heliograph_local.doubles.openai import KEY, OpenAIDouble, answers, made_up, strict
from heliograph_local.doubles.openai.pictures import Picture, jpeg_size
from heliograph_local.doubles.openai.schema import InvalidAnswer, answer
from heliograph_local.doubles.serving import served
from heliograph_local.first_picture import sample_picture

HEADERS = {"authorization": f"Bearer {KEY}"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
PICTURE = sample_picture(320, 240)


def url_of(picture: bytes, mime_type: str = "image/jpeg") -> str:
    return f"data:{mime_type};base64,{base64.b64encode(picture).decode()}"


def response_body() -> dict[str, Any]:
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": url_of(PICTURE), "detail": "high"},
    ]
    form = {"type": "json_schema", "name": "x", "strict": True, "schema": SCHEMA}
    return {"model": "m", "input": [{"role": "user", "content": content}], "text": {"format": form}}


def chat_body() -> dict[str, Any]:
    content = [{"type": "image_url", "image_url": {"url": url_of(PICTURE), "detail": "high"}}]
    form = {"name": "x", "strict": True, "schema": SCHEMA}
    return {
        "model": "m",
        "messages": [{"role": "user", "content": content}],
        "response_format": {"type": "json_schema", "json_schema": form},
    }


@pytest.fixture
def double() -> OpenAIDouble:
    return OpenAIDouble()


@pytest.fixture
async def client(double: OpenAIDouble) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(double.app) as url, httpx2.AsyncClient(base_url=url, headers=HEADERS, trust_env=False) as made:
        yield made


def changed(body: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """``body`` with another value at a path such as ``input.0.role``; ``None`` removes it."""
    body = copy.deepcopy(body)
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    at: Any = body
    for parent in parents:
        at = at[parent]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return body


PART, FORM = "input.0.content.1", "text.format"
LARGE = sample_picture(1025, 100)


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("model", None, "Missing required parameter: 'model'"),
        ("newer", 1, "'newer' was unexpected"),
        ("input.0.newer", 1, "'newer' was unexpected"),
        (f"{PART}.newer", 1, "'newer' was unexpected"),
        (f"{PART}.detail", None, "'detail' is a required property"),
        (f"{PART}.detail", "best", "'best' is not one of"),
        (f"{PART}.detail", "auto", "the detail is not explicit"),
        (f"{PART}.image_url", "https://example.com/a.jpg", "not a data URL of JPEG"),
        (f"{PART}.image_url", url_of(PICTURE, "image/png"), "not a data URL of JPEG"),
        (f"{PART}.image_url", url_of(b"\x89PNG"), "not a valid JPEG"),
        (f"{PART}.image_url", "data:image/jpeg;base64,/9j/%", "not valid base64"),
        (f"{PART}.image_url", url_of(LARGE), "1025 x 100 px"),
        (f"{FORM}.name", "a name", "is not a name"),
        (f"{FORM}.strict", False, "strict schemas only"),
        (f"{FORM}.schema.additionalProperties", None, "'additionalProperties' is required"),
        (f"{FORM}.schema.required", [], "'required' is required"),
        (f"{FORM}.schema.properties.a", {"type": "string", "maxLength": 3}, "'maxLength' is not permitted"),
        ("stream", True, "stream"),
        ("max_output_tokens", "many", "'many' is not"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
async def test_a_request_that_should_not_be_made(
    client: httpx2.AsyncClient, double: OpenAIDouble, path: str, value: object, what: str
) -> None:
    reply = await client.post("/v1/responses", json=changed(response_body(), path, value))
    assert reply.status_code == 400
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    [violation] = double.behaviour.violations
    assert what in violation
    assert double.calls == []


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("messages", None, "'messages' is a required property"),
        ("messages.0.content.0.image_url.detail", None, "the detail is not explicit"),
        ("messages.0.content.0.image_url.newer", 1, "'newer' was unexpected"),
        ("messages.0.content.0.image_url.url", url_of(LARGE), "1025 x 100 px"),
        ("response_format.json_schema.newer", 1, "'newer' was unexpected"),
        ("response_format", {"type": "json_object"}, "takes no 'json_object'"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
async def test_a_chat_request_that_should_not_be_made(
    client: httpx2.AsyncClient, double: OpenAIDouble, path: str, value: object, what: str
) -> None:
    reply = await client.post("/v1/chat/completions", json=changed(chat_body(), path, value))
    assert reply.status_code == 400
    [violation] = double.behaviour.violations
    assert what in violation


async def test_what_is_right_is_answered(client: httpx2.AsyncClient, double: OpenAIDouble) -> None:
    for path, body in (("responses", response_body()), ("chat/completions", chat_body())):
        reply = await client.post(f"/v1/{path}", json=body)
        assert reply.status_code == 200, reply.text
    assert double.behaviour.violations == []
    assert [asked.call for asked in double.behaviour.asked] == ["responses.create", "chat.completions.create"]


async def test_a_body_that_is_not_json_and_a_caller_without_a_key(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/v1/responses", content=b"{")).status_code == 400
    without = await client.post("/v1/responses", json=response_body(), headers={"authorization": ""})
    assert without.status_code == 401


async def test_an_answer_that_openai_would_not_give(
    client: httpx2.AsyncClient, double: OpenAIDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = answers.form
    monkeypatch.setattr(answers, "form", lambda *args: form(*args) | {"newer": 1})
    for path, body in (("responses", response_body()), ("chat/completions", chat_body())):
        reply = await client.post(f"/v1/{path}", json=body)
        assert reply.status_code == 500
    assert ["'newer' was unexpected" in violation for violation in double.behaviour.violations] == [True, True]


def test_an_error_in_another_shape() -> None:
    with pytest.raises(InvalidAnswer, match="'message' is a required property"):
        answer("error", {"type": "x"})


NESTED = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["a", "b"]},
        "version": {"const": 3},
        "count": {"type": "integer", "minimum": 5, "maximum": 6},
        "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
        "tens": {"type": "integer", "multipleOf": 10, "minimum": 15},
        "below": {"type": "number", "maximum": -3},
        "note": {"type": ["string", "null"]},
        "day": {"type": "string", "format": "date"},
        "sure": {"type": "boolean"},
        "nothing": {"type": "null"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}, "minItems": 2, "maxItems": 2},
        "either": {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]},
        "tree": {"$ref": "#/$defs/Tree"},
    },
    "additionalProperties": False,
    "$defs": {
        "Part": {
            "type": "object",
            "properties": {"calories": {"type": "string"}, "name": {"type": "string"}},
            "required": ["calories", "name"],
            "additionalProperties": False,
        },
        "Tree": {
            "type": "object",
            "properties": {
                "left": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]},
                "leaves": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
            },
            "required": ["left", "leaves"],
            "additionalProperties": False,
        },
    },
}
NESTED["required"] = [*NESTED["properties"]]  # type: ignore[misc]


def test_any_strict_schema_can_be_filled() -> None:
    assert strict.faults(NESTED) == []
    told = {made_up.text(NESTED, f"{seed:064x}") for seed in range(20)}
    assert len(told) == 20
    for text in told:
        Draft202012Validator(NESTED).validate(json.loads(text))
    assert made_up.text(NESTED, "0" * 64) == made_up.text(NESTED, "0" * 64)


def test_what_cannot_be_made_up_is_said() -> None:
    schema = changed(SCHEMA, "properties.a.pattern", "^x+$")
    with pytest.raises(made_up.CannotMakeUp):
        made_up.text(schema, "0" * 64)


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"type": "array", "items": {}}, "of 'type: \"object\"'"),
        (changed(SCHEMA, "properties.a", {}), "schema must have a 'type' key"),
        (changed(SCHEMA, "properties.a", {"type": "string", "default": ""}), "'default' is not permitted"),
        (changed(SCHEMA, "properties.a", {"type": "string", "format": "uri"}), "'uri' is not a supported format"),
        (changed(SCHEMA, "properties.a", {"$ref": "#/$defs/A", "description": "x"}), "$ref cannot have keywords"),
        (changed(SCHEMA, "properties.a", {"type": "array", "items": {"oneOf": []}}), "'oneOf' is not permitted"),
    ],
)
def test_schemas_that_are_not_strict(schema: dict[str, Any], what: str) -> None:
    assert any(what in fault for fault in strict.faults(schema))


def test_the_size_of_a_jpeg_is_read_from_its_header() -> None:
    assert jpeg_size(PICTURE) == (320, 240)
    exif = b"\xff\xe1\x00\x08Exif\0\0"
    assert jpeg_size(PICTURE[:2] + exif + b"\xff" + PICTURE[2:]) == (320, 240)
    for broken in (b"", PICTURE[:2], PICTURE[:30], b"\xff\xd8\xff\xe0\x00\x00"):
        assert jpeg_size(broken) is None


def test_a_picture_costs_by_its_size_and_detail() -> None:
    assert Picture("", 1024, 1024, "high").tokens == 1229
    assert Picture("", 1024, 768, "high").tokens == 922
    assert Picture("", 1024, 1024, "low").tokens == 85
