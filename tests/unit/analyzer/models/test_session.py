"""What servers answer that no double would: adapters over a small server that answers what it is told."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from tests.unit.analyzer.support import FOOD

from heliograph_analyzer.asking import Ask, question
from heliograph_analyzer.models.connect import connect
from heliograph_analyzer.models.port import (
    CredentialsMissing,
    CredentialsRefused,
    ModelFailed,
    Question,
    QuestionRejected,
    Usage,
    VisionModel,
)
from heliograph_analyzer.models.session import LARGEST_BODY
from heliograph_analyzer.profiles.registry import PROFILES
from heliograph_analyzer.settings import OpenAISettings
from heliograph_common.auth.late_key import LateKey
from heliograph_common.settings import TelemetrySettings
from heliograph_common.telemetry.tracing import setup_tracing
from heliograph_local.doubles.serving import served

Api = Literal["responses", "chat"]
APIS: tuple[Api, ...] = ("responses", "chat")
KEY = "sk-secret-of-this-test"


def minimal(api: Api, text: str = "{}") -> dict[str, Any]:
    """The least that a compatible server answers."""
    if api == "chat":
        return {"choices": [{"message": {"content": text}}]}
    return {"output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}]}


class ModelServer:
    """``body`` is answered to each question, bytes as they are, with ``status``; ``drip``: spaces come in place of it, for a
    minute. ``keys`` are those that came."""

    def __init__(self) -> None:
        self.body: object = b""
        self.status = 200
        self.media_type = "application/json"
        self.drip = False
        self.keys: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, request: Request) -> Response:
        self.keys.append(request.headers["authorization"].removeprefix("Bearer "))
        if request.method == "POST":
            self.requests.append(json.loads(await request.body()))
        if self.drip:
            return StreamingResponse(_drops(), media_type=self.media_type)
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return Response(body, self.status, media_type=self.media_type)


async def _drops() -> AsyncIterator[bytes]:
    for _ in range(600):
        yield b" "
        await asyncio.sleep(0.1)  # the pace of the drops, which is what is tested


@pytest.fixture
def server() -> ModelServer:
    return ModelServer()


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    shutdown = setup_tracing("test", TelemetrySettings(), processors=[SimpleSpanProcessor(exporter)])
    yield exporter
    shutdown()


@asynccontextmanager
async def asked(
    server: ModelServer, api: Api, credentials: LateKey | None = None, seconds: float = 30.0
) -> AsyncIterator[VisionModel]:
    async with served(server.app) as url:
        settings = OpenAISettings(base_url=f"{url}/v1", api_key=SecretStr(KEY), api=api, timeout_seconds=seconds)
        model = connect(settings, credentials or LateKey(KEY))
        yield model
        await model.close()


def asking() -> Question:
    return question(PROFILES["food"], Ask(), picture=b"the-picture", mime_type="image/jpeg")


@pytest.mark.parametrize("api", APIS)
async def test_a_server_may_leave_out_what_is_not_needed(server: ModelServer, api: Api) -> None:
    server.body = minimal(api, json.dumps(FOOD))
    async with asked(server, api) as model:
        answer = await model.ask(asking())
    assert (answer.text, answer.finish) == (json.dumps(FOOD), "complete")
    assert (answer.usage, answer.model) == (Usage(input_tokens=0, output_tokens=0), "gpt-4.1-mini")


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"<html>", b"null", b"[]", b"{}", {"error": {"message": "x"}}, {"choices": [], "output": 1}]
)
async def test_what_is_no_answer_has_failed_and_may_be_paid(server: ModelServer, api: Api, body: object) -> None:
    server.body = body
    async with asked(server, api) as model:
        with pytest.raises(ModelFailed) as caught:
            await model.ask(asking())
    assert caught.value.paid


@pytest.mark.parametrize("api", APIS)
async def test_a_page_of_html_with_200(server: ModelServer, api: Api) -> None:
    server.body, server.media_type = b"<!doctype html><p>Log in", "text/html"
    async with asked(server, api) as model:
        with pytest.raises(ModelFailed):
            await model.ask(asking())


@pytest.mark.parametrize("api", APIS)
async def test_a_body_without_end_is_not_read_to_it(server: ModelServer, api: Api) -> None:
    server.body = minimal(api, "x" * LARGEST_BODY)
    async with asked(server, api) as model:
        with pytest.raises(ModelFailed) as caught:
            await model.ask(asking())
    assert caught.value.paid


@pytest.mark.parametrize("api", APIS)
async def test_the_time_limit_is_that_of_the_whole_call(server: ModelServer, api: Api) -> None:
    """Also where a server goes on and on, so that no single wait is too long."""
    server.drip = True
    async with asked(server, api, seconds=0.5) as model, asyncio.timeout(30):
        with pytest.raises(ModelFailed, match="in time") as caught:
            await model.ask(asking())
    assert caught.value.paid


@pytest.mark.parametrize("api", APIS)
async def test_what_is_sent(server: ModelServer, api: Api) -> None:
    server.body = minimal(api)
    async with asked(server, api) as model:
        await model.ask(asking())
    (sent,) = server.requests
    form = sent["text"]["format"] if api == "responses" else sent["response_format"]["json_schema"]
    assert (form["name"], form["strict"], form["schema"]) == ("food", True, PROFILES["food"].schema)
    assert sent.get("store", False) is False
    assert ("store" in sent) == (api == "responses")
    assert sent["max_output_tokens" if api == "responses" else "max_tokens"] == 1_000
    assert '"detail": "high"' in json.dumps(sent)
    assert "temperature" not in sent  # which some models refuse


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        ("failed", {"error": {"code": "server_error", "message": "m"}}, ModelFailed),
        ("failed", {"error": {"code": "invalid_image_format", "message": "m"}}, QuestionRejected),
        ("failed", {}, ModelFailed),
        ("queued", {}, ModelFailed),
        ("cancelled", {}, ModelFailed),
    ],
)
async def test_responses_that_did_not_complete(
    server: ModelServer, status: str, told: Any, kind: type[Exception]
) -> None:
    server.body = {**minimal("responses"), "status": status, **told}
    async with asked(server, "responses") as model:
        with pytest.raises(kind):
            await model.ask(asking())


async def test_counts_that_cannot_be_are_bounded(server: ModelServer) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 1 << 60, "prompt_tokens_details": {"cached_tokens": 99}}
    server.body = {**minimal("chat"), "usage": usage}
    async with asked(server, "chat") as model:
        answer = await model.ask(asking())
    assert answer.usage == Usage(input_tokens=10, output_tokens=(1 << 31) - 1, cached_tokens=10)


@pytest.mark.parametrize("api", APIS)
async def test_without_a_key_nothing_is_sent(server: ModelServer, api: Api) -> None:
    async with asked(server, api, LateKey()) as model:
        for call in (model.ask(asking()), model.probe()):
            with pytest.raises(CredentialsMissing, match="HELIOGRAPH_OPENAI__API_KEY"):
                await call
    assert server.keys == []


@pytest.mark.parametrize("api", APIS)
async def test_a_key_that_changes_is_used_at_once_and_a_refused_one_not_again(
    server: ModelServer, api: Api, tmp_path: Path
) -> None:
    file, now = tmp_path / "key", [0.0]
    file.write_text("sk-old")
    credentials = LateKey(file=lambda: file, clock=lambda: now[0])
    server.status, server.body = 401, {"error": {"message": "Incorrect API key provided: sk-old", "code": None}}
    async with asked(server, api, credentials) as model:
        for _ in range(2):
            with pytest.raises(CredentialsRefused) as caught:
                await model.ask(asking())
            assert "sk-old" not in str(caught.value)
        assert (server.keys, credentials.state()) == (["sk-old"], "refused")
        server.status, server.body = 200, minimal(api)
        file.write_text("sk-new")
        now[0] += 1
        await model.ask(asking())
        assert (server.keys, credentials.state()) == (["sk-old", "sk-new"], "configured")


async def test_a_probe_tries_a_refused_key_again(server: ModelServer) -> None:
    credentials = LateKey(KEY)
    credentials.refuse(KEY)
    server.body = {"id": "gpt-4.1-mini", "object": "model"}
    async with asked(server, "responses", credentials) as model:
        await model.probe()
        assert credentials.state() == "configured"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"detail": "Not Found"}),
        (403, {"error": {"message": "You have insufficient permissions. Missing scopes: api.model.read"}}),
    ],
    ids=["server-without-that-route", "key-without-that-scope"],
)
async def test_a_probe_that_shows_nothing_passes_and_accepts_nothing(
    server: ModelServer, status: int, body: object
) -> None:
    credentials = LateKey(KEY)
    credentials.refuse(KEY)
    server.status, server.body = status, body
    async with asked(server, "responses", credentials) as model:
        await model.probe()
    assert credentials.state() == "refused"


@pytest.mark.parametrize("api", APIS)
async def test_where_a_probe_shows_nothing_one_question_tries_a_refused_key(server: ModelServer, api: Api) -> None:
    """A server without that route, or a key without that scope, would stay refused until the next start."""
    now = [0.0]
    credentials = LateKey(KEY, clock=lambda: now[0])

    async def told(model: VisionModel, status: int, body: object) -> None:
        server.status, server.body = 404, {"detail": "Not Found"}
        await model.probe()
        server.status, server.body = status, body
        await model.ask(asking())

    refusal = 401, {"error": {"message": "no", "code": None}}
    async with asked(server, api, credentials) as model:
        server.status, server.body = refusal
        with pytest.raises(CredentialsRefused):
            await model.ask(asking())
        for _ in range(100):  # ten hours and a half
            now[0] += 380.0
            with pytest.raises(CredentialsRefused):
                await told(model, *refusal)
            assert credentials.state() == "refused"
        assert 10 < len(server.requests) < 25
        now[0] += 3_600.0
        server.status, server.body = 404, {"detail": "Not Found"}
        await model.probe()
        assert credentials.state() == "configured"
        server.status, server.body = 200, minimal(api)
        await asyncio.gather(model.ask(asking()), model.ask(asking()), return_exceptions=True)
        await model.ask(asking())
    assert credentials.state() == "configured"


@pytest.mark.parametrize("api", APIS)
async def test_only_one_question_at_a_time_tries_a_refused_key(server: ModelServer, api: Api) -> None:
    now = [0.0]
    credentials = LateKey(KEY, clock=lambda: now[0])
    credentials.refuse(KEY)
    now[0] += 3_600.0
    credentials.allow_trial(KEY)
    server.body = minimal(api)
    async with asked(server, api, credentials) as model:
        told = await asyncio.gather(*(model.ask(asking()) for _ in range(4)), return_exceptions=True)
    assert [type(each) for each in told].count(CredentialsRefused) == 3
    assert len(server.requests) == 1


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>Request blocked</html>", ModelFailed),
        ({"error": {"message": "blocked by policy", "code": "waf"}}, ModelFailed),
        ({"error": {"message": "Incorrect key", "code": "invalid_api_key"}}, CredentialsRefused),
        ({"error": {"message": "You have insufficient permissions for this operation."}}, CredentialsRefused),
    ],
)
async def test_what_a_403_refuses(server: ModelServer, api: Api, body: object, kind: type[Exception]) -> None:
    """A firewall before the model answers so to one picture, and must not stop all others."""
    credentials = LateKey(KEY)
    server.status, server.body = 403, body
    async with asked(server, api, credentials) as model:
        with pytest.raises(kind) as caught:
            await model.ask(asking())
    assert not getattr(caught.value, "paid", False)
    assert credentials.state() == ("configured" if kind is ModelFailed else "refused")


async def test_a_403_to_a_probe_refuses_the_key(server: ModelServer) -> None:
    credentials = LateKey(KEY)
    server.status, server.body = 403, b"<html>"
    async with asked(server, "responses", credentials) as model:
        with pytest.raises(CredentialsRefused):
            await model.probe()
    assert credentials.state() == "refused"


async def test_a_probe_of_a_model_that_is_missing(server: ModelServer) -> None:
    server.status, server.body = 404, {"error": {"message": "no", "code": "model_not_found"}}
    async with asked(server, "responses") as model:
        with pytest.raises(QuestionRejected) as caught:
            await model.probe()
    assert caught.value.misconfigured


@pytest.mark.parametrize("key", ["sk-secret\nX: y", "sk-s\u00e9cret", "sk secret"])
async def test_a_key_that_no_header_can_carry_is_refused_without_being_quoted(server: ModelServer, key: str) -> None:
    async with asked(server, "responses", LateKey(key)) as model:
        with pytest.raises(CredentialsRefused) as caught:
            await model.ask(asking())
    assert "secret" not in str(caught.value)
    assert server.keys == []


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("status", [200, 400])
async def test_spans_follow_the_conventions_and_say_nothing_of_the_picture(
    server: ModelServer, recorded: InMemorySpanExporter, api: Api, status: int
) -> None:
    server.status = status
    server.body = {**minimal(api, "the-answer"), "id": "r1", "model": "gpt-4.1-mini-2025-04-14"}
    if status == 400:
        server.body = {"error": {"message": "quotes the-answer and the prompt", "code": None}}
    async with asked(server, api) as model:
        try:
            await model.ask(asking())
        except QuestionRejected:
            assert status == 400
    (span,) = recorded.get_finished_spans()
    told = dict(span.attributes or {})

    assert (span.name, span.kind) == ("chat gpt-4.1-mini", SpanKind.CLIENT)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.request.model"] == "gpt-4.1-mini"
    assert told["gen_ai.request.max_tokens"] == 1_000
    assert told["gen_ai.output.type"] == "json"
    assert told["server.address"] == "127.0.0.1"
    if status == 200:
        assert told["gen_ai.response.model"] == "gpt-4.1-mini-2025-04-14"
        assert told["gen_ai.response.id"] == "r1"
        assert told["gen_ai.response.finish_reasons"] == ("stop",)
        assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (0, 0)
    else:
        assert told["error.type"] == "QuestionRejected"
        assert span.status.status_code is StatusCode.ERROR
    for hidden in ("the-answer", "the-picture", "never an instruction", KEY):
        assert hidden not in span.to_json()


@pytest.mark.parametrize("status", [401, 400, 500])
async def test_the_key_and_the_picture_are_in_no_log_and_no_traceback(
    server: ModelServer, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """The SDK's errors have the whole request in them."""
    server.status, server.body = status, minimal("responses")
    with caplog.at_level(logging.INFO):
        async with asked(server, "responses") as model:
            with pytest.raises((CredentialsRefused, QuestionRejected, ModelFailed)) as caught:
                await model.ask(asking())
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY not in caplog.text
