"""OpenAI's own SDK is answered by the double as by OpenAI, and sees each thing that goes wrong as what it is."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any, Literal

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tests.polling import until

from heliograph_local.doubles.faults import Fault, Kind
from heliograph_local.doubles.openai import KEY, OpenAIDouble, digest
from heliograph_local.doubles.serving import served
from heliograph_local.first_picture import sample_picture

PICTURE, OTHER = sample_picture(1024, 768), sample_picture(640, 480)
MODEL = "gpt-5.6-mini"


class Food(BaseModel):
    """As a profile would have it."""

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: "servingSize" if "_" in name else name)

    name: str
    calories: float = Field(ge=0, le=10_000)
    protein: float
    carbs: float
    fat: float
    serving_size: str
    ingredients: list[str] = Field(max_length=40)
    confidence: float = Field(ge=0, le=1)
    kind: Literal["dish", "drink", "nothing"]


@pytest.fixture
def double() -> OpenAIDouble:
    return OpenAIDouble()


@pytest.fixture
async def client(double: OpenAIDouble) -> AsyncIterator[AsyncOpenAI]:
    async with (
        served(double.app) as url,
        httpx2.AsyncClient(trust_env=False) as http,
        AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0, timeout=30, http_client=http) as made,
    ):
        yield made


def url_of(picture: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"


async def respond(client: AsyncOpenAI, picture: bytes = PICTURE, **more: Any) -> Any:
    """A question by the Responses API."""
    form = {"type": "json_schema", "name": "food", "strict": True, "schema": to_strict_json_schema(Food)}
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": url_of(picture), "detail": "high"},
    ]
    asked: Any = {"model": MODEL, "instructions": "Be exact.", "store": False, "text": {"format": form}}
    return await client.responses.create(**{**asked, "input": [{"role": "user", "content": content}], **more})


async def complete(client: AsyncOpenAI, picture: bytes = PICTURE, **more: Any) -> Any:
    """The same by Chat Completions."""
    form = {"name": "food", "strict": True, "schema": to_strict_json_schema(Food)}
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url_of(picture), "detail": "high"}},
    ]
    messages = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": content}]
    asked: Any = {"model": MODEL, "response_format": {"type": "json_schema", "json_schema": form}}
    return await client.chat.completions.create(**{**asked, "messages": messages, **more})


async def test_both_apis_answer_the_same_of_a_picture(client: AsyncOpenAI, double: OpenAIDouble) -> None:
    first, again, chat = await respond(client), await respond(client), await complete(client)
    food = Food.model_validate_json(first.output_text)
    assert first.status == "completed"
    assert food.name.startswith("Made up: ")
    assert again.output_text == first.output_text == chat.choices[0].message.content
    assert again.id != first.id
    assert chat.choices[0].finish_reason == "stop"
    assert Food.model_validate_json((await respond(client, OTHER)).output_text).name != food.name
    assert double.behaviour.violations == []


async def test_tokens_are_counted_by_picture_and_text(client: AsyncOpenAI, double: OpenAIDouble) -> None:
    answer, chat = await respond(client), await complete(client)
    usage = answer.usage
    assert 1000 < usage.input_tokens < 1500
    assert usage.output_tokens == -(-len(answer.output_text) // 4)
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert (chat.usage.prompt_tokens, chat.usage.completion_tokens) == (usage.input_tokens, usage.output_tokens)
    assert (await respond(client, OTHER)).usage.input_tokens < usage.input_tokens
    first = double.calls[0]
    assert (first.input_tokens, first.output_tokens, first.finished) == (usage.input_tokens, usage.output_tokens, True)
    assert (first.picture, first.model, first.detail, first.schema_name) == (digest(PICTURE), MODEL, "high", "food")
    assert double.charged() == {digest(PICTURE): 2, digest(OTHER): 1}
    raw = await client.with_options(max_retries=0).get("/../_double/calls", cast_to=object)
    assert [call["picture"] for call in raw] == [call.picture for call in double.calls]  # type: ignore[attr-defined]


async def test_the_parse_helpers_of_the_sdk(client: AsyncOpenAI) -> None:
    content: Any = [{"type": "input_image", "image_url": url_of(PICTURE), "detail": "low"}]
    parsed = await client.responses.parse(model=MODEL, input=[{"role": "user", "content": content}], text_format=Food)
    assert parsed.output_parsed is not None
    assert parsed.usage is not None
    assert parsed.usage.input_tokens < 500
    messages: Any = [{"role": "user", "content": "no picture"}]
    done = await client.chat.completions.parse(model=MODEL, messages=messages, response_format=Food)
    assert done.choices[0].message.parsed is not None


async def test_models(client: AsyncOpenAI) -> None:
    assert (await client.models.retrieve(MODEL)).id == MODEL
    assert MODEL in [model.id async for model in client.models.list()]
    with pytest.raises(openai.NotFoundError) as missing:
        await client.models.retrieve("no-such-model")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        await respond(client, model="no-such-model")
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        await complete(client, model="no-such-model")


async def test_keys_are_checked(client: AsyncOpenAI, double: OpenAIDouble) -> None:
    with pytest.raises(openai.AuthenticationError) as wrong:
        await respond(client.with_options(api_key="sk-other-than-the-doubles"))
    assert wrong.value.code == "invalid_api_key"
    assert "other" not in str(wrong.value)
    double.keys = {"sk-new"}
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()
    await respond(client.with_options(api_key="sk-new"))
    assert len(double.calls) == 1


@pytest.mark.parametrize("ask", [respond, complete])
@pytest.mark.parametrize(
    ("fault", "seen", "code", "wait"),
    [
        (Fault(kind="rate_limited", retry_after=7), openai.RateLimitError, "rate_limit_exceeded", "7"),
        (Fault(kind="rate_limited"), openai.RateLimitError, "rate_limit_exceeded", None),
        (Fault(kind="quota"), openai.RateLimitError, "insufficient_quota", None),
        (Fault(kind="error"), openai.InternalServerError, None, None),
        (Fault(kind="error", status=503, retry_after=2), openai.InternalServerError, "server_is_overloaded", "2"),
        (Fault(kind="error", status=401), openai.AuthenticationError, "invalid_api_key", None),
        (Fault(kind="error", status=403), openai.PermissionDeniedError, "unsupported_country_region_territory", None),
        (Fault(kind="error", status=400), openai.BadRequestError, None, None),
        (Fault(kind="html"), openai.InternalServerError, None, None),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
async def test_refusals(
    client: AsyncOpenAI,
    double: OpenAIDouble,
    ask: Any,
    fault: Fault,
    seen: type[openai.APIStatusError],
    code: str | None,
    wait: str | None,
) -> None:
    double.behaviour.misbehave(fault)
    with pytest.raises(seen) as error:
        await ask(client)
    assert (error.value.code, error.value.response.headers.get("retry-after")) == (code, wait)
    [call] = double.calls
    assert not call.charged
    assert (await ask(client)).model == MODEL
    assert double.behaviour.violations == []


async def test_an_answer_that_is_cut_off(client: AsyncOpenAI, double: OpenAIDouble) -> None:
    for ask in (respond, complete):
        double.behaviour.misbehave(Fault(kind="cut_off"))
        with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
            await ask(client)
    assert [(call.charged, call.finished) for call in double.calls] == [(True, False)] * 2


async def test_an_answer_that_nobody_waits_for(client: AsyncOpenAI, double: OpenAIDouble) -> None:
    double.behaviour.misbehave(Fault(kind="slow", seconds=1))
    asking = asyncio.create_task(respond(client))
    [call] = await until(lambda: double.calls)
    asking.cancel()
    await until(lambda: call.status == 200)
    assert (call.charged, call.finished) == (True, False)
    double.behaviour.misbehave(Fault(kind="slow", seconds=0.01))
    await respond(client)
    assert double.calls[-1].finished


@pytest.mark.parametrize("kind", ["prose", "missing_key", "wrong_type", "empty"])
async def test_answers_that_do_not_fit_the_schema(client: AsyncOpenAI, double: OpenAIDouble, kind: Kind) -> None:
    double.behaviour.misbehave(Fault(kind=kind, times=2))
    answer, chat = await respond(client), await complete(client)
    for text in (answer.output_text, chat.choices[0].message.content):
        with pytest.raises(ValidationError):
            Food.model_validate_json(text)
    assert (answer.status, chat.choices[0].finish_reason) == ("completed", "stop")
    Food.model_validate_json((await respond(client)).output_text)
    assert double.behaviour.violations == []


async def test_a_refusal_to_answer(client: AsyncOpenAI, double: OpenAIDouble) -> None:
    double.behaviour.misbehave(Fault(kind="refusal", times=-1))
    [message] = (await respond(client)).output
    assert message.content[0].type == "refusal"
    said = (await complete(client)).choices[0].message
    assert (said.content, said.refusal) == (None, message.content[0].refusal)


@pytest.mark.parametrize(
    ("fault", "reason", "finish"),
    [("too_long", "max_output_tokens", "length"), ("filtered", "content_filter", "content_filter")],
)
async def test_answers_that_are_incomplete(
    client: AsyncOpenAI, double: OpenAIDouble, fault: Kind, reason: str, finish: str
) -> None:
    double.behaviour.misbehave(Fault(kind=fault, times=-1))
    answer = await respond(client)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", reason)
    assert (await complete(client)).choices[0].finish_reason == finish


async def test_the_limit_of_tokens_is_kept(client: AsyncOpenAI) -> None:
    answer = await respond(client, max_output_tokens=20)
    assert (answer.status, answer.usage.output_tokens) == ("incomplete", 20)
    chat = await complete(client, max_completion_tokens=20)
    assert (chat.choices[0].finish_reason, chat.usage.completion_tokens) == ("length", 20)


async def test_a_fault_of_one_picture_lasts_until_it_is_lifted(client: AsyncOpenAI, double: OpenAIDouble) -> None:
    double.behaviour.misbehave(Fault(kind="error", about=digest(PICTURE), times=-1))
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await respond(client)
    await respond(client, OTHER)
    double.behaviour.misbehave()
    await respond(client)
    assert double.charged() == {digest(PICTURE): 1, digest(OTHER): 1}


async def test_a_test_can_say_what_is_on_a_picture(client: AsyncOpenAI, double: OpenAIDouble) -> None:
    double.tell(digest(PICTURE), {"name": "", "confidence": 0.1})
    double.tell(digest(OTHER), "nothing")
    assert json.loads((await respond(client)).output_text) == {"name": "", "confidence": 0.1}
    assert (await complete(client, OTHER)).choices[0].message.content == "nothing"
