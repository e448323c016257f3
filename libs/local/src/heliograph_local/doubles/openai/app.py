"""The double of OpenAI's API as an application: who asks, whether it is asked what OpenAI takes, what goes wrong on request,
and the answer in OpenAI's form.

A request that the SDK's types do not have, or that Heliograph should not make, is answered 400, an answer that they do not
have 500; both are recorded as violations.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from heliograph_local.doubles.addresses import OPENAI_KEY
from heliograph_local.doubles.faults import Behaviour, Fault, Kind
from heliograph_local.doubles.openai import answers, schema
from heliograph_local.doubles.openai.calls import Call
from heliograph_local.doubles.openai.errors import Refused, error, no_key, no_model, of_fault, wrong_key
from heliograph_local.doubles.openai.made_up import CannotMakeUp
from heliograph_local.doubles.openai.questions import Question, question
from heliograph_local.doubles.openai.schema import CHAT, LIST, RESPONSES, RETRIEVE, InvalidAnswer, InvalidRequest
from heliograph_local.doubles.records import Record

KEY = OPENAI_KEY
MISSING_MODEL = "no-such-model"
_REFUSED: tuple[Kind, ...] = ("rate_limited", "quota", "error", "html")
_MODELS = ("gpt-4.1-mini", "gpt-5.6-mini")
_SINCE = 1_767_225_600  # the start of 2026


class OpenAIDouble:
    """``app`` answers below ``/v1``. ``keys`` are those that it takes; ``missing_models`` those that it does not have, of
    whatever name is asked for. ``calls`` is what it was asked, oldest first; ``record`` is a file to write them to, too."""

    def __init__(self, record: Path | None = None) -> None:
        schema.load()
        self.behaviour = Behaviour()
        self.keys = {KEY}
        self.missing_models = {MISSING_MODEL}
        self.calls: list[Call] = []
        self._record = Record(record)
        self._told: dict[str, str] = {}
        self.app = Starlette(
            routes=[
                Route("/v1/responses", self._responses, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/v1/models/{model:path}", self._model),
                Route("/_double/calls", self._get_calls),
                *self.behaviour.routes(),
            ]
        )

    def tell(self, picture: str, what: object) -> None:
        """From now on ``what`` is the answer about a picture, by its digest: text as it is, all else as JSON."""
        self._told[picture] = what if isinstance(what, str) else json.dumps(what, ensure_ascii=False)

    def charged(self) -> Counter[str]:
        """How many calls each picture has cost, by its digest."""
        return Counter(call.picture for call in self.calls if call.charged)

    async def _responses(self, request: Request) -> Response:
        return await self._guarded(RESPONSES, request)

    async def _chat(self, request: Request) -> Response:
        return await self._guarded(CHAT, request)

    async def _models(self, request: Request) -> Response:
        return await self._guarded(LIST, request)

    async def _model(self, request: Request) -> Response:
        return await self._guarded(RETRIEVE, request)

    async def _guarded(self, call: str, request: Request) -> Response:
        try:
            self._check_key(request)
            if call in {LIST, RETRIEVE}:
                return await self._listed(call, request)
            return await self._answered(call, request)
        except Refused as refused:
            return refused.response
        except InvalidRequest as invalid:
            self.behaviour.violation(f"{call}: {invalid}")
            return error(400, str(invalid), param=invalid.param or None, code=invalid.code)
        except (InvalidAnswer, CannotMakeUp) as invalid:
            self.behaviour.violation(f"{call}: {invalid}")
            return error(500, str(invalid), kind="server_error")

    def _check_key(self, request: Request) -> None:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not key:
            raise Refused(no_key())
        if key not in self.keys:
            raise Refused(wrong_key(key))

    async def _listed(self, call: str, request: Request) -> Response:
        """The models, or one of them."""
        model = request.path_params.get("model", "")
        self.behaviour.note(call, model)
        await self._slow(call, [model])
        if fault := self.behaviour.fault(call, [model], kinds=_REFUSED):
            return of_fault(fault)
        if model in self.missing_models:
            return no_model(call, model)
        found = [_model(name) for name in ([model] if model else _MODELS)]
        bodies = [schema.answer(RETRIEVE, each) for each in found]
        return _json(bodies[0] if model else b'{"object": "list", "data": [%s]}' % b", ".join(bodies))

    async def _answered(self, call: str, request: Request) -> Response:
        body = schema.request(call, await request.body())
        asked = question(call, body)
        about = [asked.about, asked.model, asked.schema_name]
        self.behaviour.note(call, asked.about)
        entry = _entry(asked)
        self.calls.append(entry)
        refused = self.behaviour.fault(call, about, kinds=_REFUSED)
        if asked.model in self.missing_models:
            return self._recorded(entry, request, no_model(call, asked.model))
        if refused is not None:
            await self._slow(call, about)
            return self._recorded(entry, request, of_fault(refused))
        changed = self.behaviour.fault(call, about, kinds=answers.CHANGES)
        said = answers.said(asked, self._told.get(asked.about), changed.kind if changed else None)
        content = schema.answer(call, answers.form(asked, body, said, len(self.calls)))
        # From here on it is charged, whether the caller waits for it or not.
        entry.input_tokens, entry.output_tokens = asked.input_tokens, said.tokens
        self._record.write(entry)
        await self._slow(call, about)
        cut = self.behaviour.fault(call, about, kinds=("cut_off",))
        return self._recorded(entry, request, _json(content), cut)

    async def _slow(self, call: str, about: list[str]) -> None:
        if slow := self.behaviour.fault(call, about, kinds=("slow",)):
            await asyncio.sleep(slow.seconds)

    def _recorded(self, entry: Call, request: Request, response: Response, cut: Fault | None = None) -> Response:
        response.headers["x-request-id"] = f"req_{entry.picture[:24] or 'none'}"
        return _Recorded(entry, self._record, request, response, cut)

    async def _get_calls(self, _: Request) -> Response:
        return _json(msgspec.json.encode(self.calls))


class _Recorded(Response):
    """Another answer, with its end recorded. ``cut``: the connection ends after so many bytes, or half of them."""

    def __init__(self, entry: Call, record: Record, request: Request, response: Response, cut: Fault | None) -> None:
        super().__init__(response.body, response.status_code, dict(response.headers))
        self._entry, self._record, self._request = entry, record, request
        self._cut = None if cut is None else min(cut.bytes, len(self.body) // 2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI."""
        self._entry.status = self.status_code
        gone = await self._request.is_disconnected()
        if self._cut is None:
            await super().__call__(scope, receive, send)
            self._entry.finished = not gone
            self._record.write(self._entry)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body[: self._cut]), "more_body": True})


def _entry(asked: Question) -> Call:
    return Call(
        call=asked.call,
        model=asked.model,
        picture=asked.about,
        detail=asked.pictures[0].detail if asked.pictures else "",
        schema_name=asked.schema_name,
        text=asked.text,
    )


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _SINCE, "owned_by": "heliograph-double"}


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
