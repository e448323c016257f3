"""The Responses API of OpenAI.

https://developers.openai.com/api/docs/guides/structured-outputs, and .../guides/images-vision for ``detail``.
"""

from __future__ import annotations

from typing import Any, cast

from openai import AsyncOpenAI
from openai.types.responses import ResponseInputParam
from pydantic import BaseModel, ValidationError

from heliograph_analyzer.models.errors import reported, unreadable
from heliograph_analyzer.models.port import Answer, Finish, Question
from heliograph_analyzer.models.session import PROVIDER, Counted, Session, data_url, usage
from heliograph_analyzer.settings import OpenAISettings
from heliograph_common.auth.late_key import LateKey

_INCOMPLETE: dict[str | None, Finish] = {"content_filter": "filtered"}


class _Part(BaseModel):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(BaseModel):
    type: str = ""
    content: list[_Part] | None = None


class _Error(BaseModel):
    code: str | None = None
    message: str | None = None


class _Incomplete(BaseModel):
    reason: str | None = None


class _Usage(BaseModel):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: Counted | None = None


class _Body(BaseModel):
    """What is read of an answer. The SDK's own type is not held to what a server sends."""

    output: list[_Item]
    id: str | None = None
    model: str | None = None
    status: str | None = None
    error: _Error | None = None
    incomplete_details: _Incomplete | None = None
    usage: _Usage | None = None

    def parts(self) -> list[_Part]:
        """What the model said, without its reasoning."""
        return [part for item in self.output if item.type == "message" for part in item.content or []]


class ResponsesModel:
    """A model by the Responses API. Nothing is kept at the provider (``store``)."""

    provider = PROVIDER

    def __init__(self, settings: OpenAISettings, credentials: LateKey) -> None:
        self._session = Session(settings, credentials)
        self.name, self.detail = self._session.name, self._session.detail
        self._detail = settings.detail

    async def ask(self, question: Question) -> Answer:
        """See ``VisionModel``."""

        async def send(client: AsyncOpenAI) -> bytes:
            raw = await client.responses.with_raw_response.create(
                model=self.name,
                instructions=question.instructions,
                input=self._input(question),
                text={
                    "format": {
                        "type": "json_schema",
                        "name": question.schema_name,
                        "schema": dict(question.schema),
                        "strict": True,
                    }
                },
                max_output_tokens=question.max_output_tokens,
                store=False,
            )
            return raw.content

        return await self._session.ask(question, send, self._answer)

    async def probe(self) -> None:
        """See ``VisionModel``."""
        await self._session.probe()

    async def close(self) -> None:
        """See ``VisionModel``."""
        await self._session.close()

    def _input(self, question: Question) -> ResponseInputParam:
        messages: list[Any] = [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": question.text},
                    {"type": "input_image", "image_url": data_url(question), "detail": self._detail},
                ],
            }
        ]
        if question.previous:
            messages.append({"role": "assistant", "content": question.previous})
        if question.complaint:
            messages.append({"role": "user", "content": question.complaint})
        return cast("ResponseInputParam", messages)

    def _answer(self, body: bytes, key: str) -> Answer:
        try:
            told = _Body.model_validate_json(body)
        except ValidationError:
            raise unreadable() from None
        if told.error is not None or told.status == "failed":
            error = told.error or _Error()
            raise reported(error.code, error.message, key)
        if told.status not in {"completed", "incomplete", None}:
            raise unreadable()
        parts, counted = told.parts(), told.usage or _Usage()
        refusal = "\n".join(part.refusal for part in parts if part.refusal) or None
        return Answer(
            text="".join(part.text or "" for part in parts if part.type == "output_text"),
            finish=_finish(told, refused=any(part.type == "refusal" for part in parts)),
            usage=usage(counted.input_tokens, counted.output_tokens, counted.input_tokens_details),
            model=told.model or self.name,
            response_id=told.id or "",
            refusal=refusal,
        )


def _finish(body: _Body, *, refused: bool) -> Finish:
    if refused:
        return "refused"
    if body.status == "incomplete":
        return _INCOMPLETE.get(body.incomplete_details.reason if body.incomplete_details else None, "too_long")
    return "complete"
