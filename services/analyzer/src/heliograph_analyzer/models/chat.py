"""The Chat Completions API, which compatible servers speak (vLLM, Ollama, llama.cpp).

What such servers do not know is left out of requests (``store``, ``max_completion_tokens``, the role ``developer``).
"""

from __future__ import annotations

from typing import Any, cast

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, Field, ValidationError

from heliograph_analyzer.models.errors import unreadable
from heliograph_analyzer.models.port import Answer, Finish, Question
from heliograph_analyzer.models.session import PROVIDER, Counted, Session, data_url, usage
from heliograph_analyzer.settings import OpenAISettings
from heliograph_common.auth.late_key import LateKey

_FINISH: dict[str | None, Finish] = {"length": "too_long", "content_filter": "filtered"}


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Counted | None = None


class _Body(BaseModel):
    """What is read of an answer. The SDK's own type is not held to what a server sends."""

    choices: list[_Choice] = Field(min_length=1)
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None


class ChatModel:
    """A model by the Chat Completions API."""

    provider = PROVIDER

    def __init__(self, settings: OpenAISettings, credentials: LateKey) -> None:
        self._session = Session(settings, credentials)
        self.name, self.detail = self._session.name, self._session.detail
        self._detail = settings.detail

    async def ask(self, question: Question) -> Answer:
        """See ``VisionModel``."""

        async def send(client: AsyncOpenAI) -> bytes:
            raw = await client.chat.completions.with_raw_response.create(
                model=self.name,
                messages=self._messages(question),
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": question.schema_name, "schema": dict(question.schema), "strict": True},
                },
                max_tokens=question.max_output_tokens,
            )
            return raw.content

        return await self._session.ask(question, send, self._answer)

    async def probe(self) -> None:
        """See ``VisionModel``."""
        await self._session.probe()

    async def close(self) -> None:
        """See ``VisionModel``."""
        await self._session.close()

    def _messages(self, question: Question) -> list[ChatCompletionMessageParam]:
        messages: list[Any] = [
            {"role": "system", "content": question.instructions},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": question.text},
                    {"type": "image_url", "image_url": {"url": data_url(question), "detail": self._detail}},
                ],
            },
        ]
        if question.previous:
            messages.append({"role": "assistant", "content": question.previous})
        if question.complaint:
            messages.append({"role": "user", "content": question.complaint})
        return cast("list[ChatCompletionMessageParam]", messages)

    def _answer(self, body: bytes, _key: str) -> Answer:
        try:
            told = _Body.model_validate_json(body)
        except ValidationError:
            raise unreadable() from None
        choice, counted = told.choices[0], told.usage or _Usage()
        refusal = choice.message.refusal or None
        return Answer(
            text=choice.message.content or "",
            finish="refused" if refusal else _FINISH.get(choice.finish_reason, "complete"),
            usage=usage(counted.prompt_tokens, counted.completion_tokens, counted.prompt_tokens_details),
            model=told.model or self.name,
            response_id=told.id or "",
            refusal=refusal,
        )
