"""Requests of a model's server: key, limits, span and errors, which are the same for both APIs."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import httpx2
import openai
from openai import AsyncOpenAI
from pydantic import BaseModel

from heliograph_analyzer.models.errors import refused_key, translated
from heliograph_analyzer.models.port import Answer, CredentialsMissing, CredentialsRefused, Question, Usage
from heliograph_analyzer.settings import OpenAISettings
from heliograph_common.auth.late_key import LateKey
from heliograph_common.telemetry import spans

PROVIDER = "openai"
CONNECT_SECONDS = 5.0
PROBE_SECONDS = 10.0
LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of an answer that are read."""
_MOST_TOKENS = (1 << 31) - 1
_SENDABLE = re.compile(r"[\x21-\x7e]+")
"""Keys as a header can carry them. Others fail in the libraries, with errors that quote them."""
_NO_SCOPE = "missing scopes: api.model"
_FINISH_REASONS = {"complete": "stop", "too_long": "length", "refused": "refusal", "filtered": "content_filter"}


class Counted(BaseModel):
    """Details of the tokens of a prompt, in both APIs."""

    cached_tokens: int | None = None


class Session:
    """One model of one server, and the connections to it."""

    def __init__(self, settings: OpenAISettings, credentials: LateKey) -> None:
        self.name = settings.model
        self.detail = settings.detail
        self._seconds = settings.timeout_seconds
        self._credentials = credentials
        address = urlsplit(settings.base_url)
        self._host, self._port = address.hostname or "", address.port
        timeout = httpx2.Timeout(settings.timeout_seconds, connect=min(CONNECT_SECONDS, settings.timeout_seconds))
        self._http = httpx2.AsyncClient(
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,  # so that no key goes elsewhere
            event_hooks={"response": [_bounded]},
        )
        self._client = AsyncOpenAI(
            api_key="set at each request",
            base_url=settings.base_url,
            max_retries=0,
            timeout=timeout,
            http_client=self._http,
        )

    async def ask(
        self,
        question: Question,
        send: Callable[[AsyncOpenAI], Awaitable[bytes]],
        read: Callable[[bytes, str], Answer],
    ) -> Answer:
        """What ``read`` makes of the body that ``send`` gets, both given a client or key for this request.

        Raises:
            CredentialsMissing, CredentialsRefused, RateLimited, ModelFailed, QuestionRejected: see there.
        """
        key = self._key()
        if self._credentials.is_refused(key) and not self._credentials.take_trial(key):
            raise refused_key()
        with spans.chat_span(
            self.name, provider=PROVIDER, max_tokens=question.max_output_tokens, host=self._host, port=self._port
        ) as answered:
            body = await self._sent(key, send, self._seconds)
            self._credentials.accept(key)
            answer = read(body, key)
            answered(
                model=answer.model,
                response_id=answer.response_id,
                finish_reason=_FINISH_REASONS[answer.finish],
                input_tokens=answer.usage.input_tokens,
                output_tokens=answer.usage.output_tokens,
                cached_tokens=answer.usage.cached_tokens,
            )
        return answer

    async def probe(self) -> None:
        """See ``VisionModel``. It sends a refused key as well, whose permissions may have been corrected. Servers that do
        not know the request, and keys that are not allowed it, pass: only a question can tell, so one is let through."""
        key = self._key()
        try:
            await self._sent(key, self._retrieve, PROBE_SECONDS)
        except _Inconclusive:
            return self._credentials.allow_trial(key)
        except _Forbidden:
            pass
        else:
            return self._credentials.accept(key)
        self._credentials.refuse(key)
        raise refused_key()

    async def close(self) -> None:
        """Ends its connections."""
        await self._http.aclose()

    async def _retrieve(self, client: AsyncOpenAI) -> bytes:
        try:
            return (await client.models.with_raw_response.retrieve(self.name)).content
        except openai.NotFoundError as error:
            if error.code is None:
                raise _Inconclusive from None
            raise
        except openai.PermissionDeniedError as error:
            raise (_Inconclusive if _NO_SCOPE in error.message.lower() else _Forbidden) from None

    async def _sent(self, key: str, send: Callable[[AsyncOpenAI], Awaitable[bytes]], seconds: float) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await send(self._client.with_options(api_key=key))
        except (openai.OpenAIError, TimeoutError) as error:
            meaning = translated(error, key)
        if isinstance(meaning, CredentialsRefused):
            self._credentials.refuse(key)
        raise meaning  # without its cause, which has the request in it, and so the key and the picture

    def _key(self) -> str:
        key = self._credentials.current()
        if key is None:
            raise CredentialsMissing(
                "No API key for the vision model is configured: have an administrator set HELIOGRAPH_OPENAI__API_KEY"
            )
        if not _SENDABLE.fullmatch(key):
            self._credentials.refuse(key)
            raise refused_key()
        return key


class _Inconclusive(Exception):
    """The probe shows no more than that the server answers."""


class _Forbidden(Exception):
    """The probe has no picture that could be the reason of a 403: it is the key, or who uses it."""


def data_url(question: Question) -> str:
    """The picture as both APIs take it."""
    return f"data:{question.mime_type};base64,{base64.b64encode(question.picture).decode('ascii')}"


def usage(input_tokens: int | None, output_tokens: int | None, details: Counted | None) -> Usage:
    """Tokens as they can be counted up, whatever a server says."""
    read, written, cached = (
        min(max(each or 0, 0), _MOST_TOKENS)
        for each in (input_tokens, output_tokens, details.cached_tokens if details else 0)
    )
    return Usage(input_tokens=read, output_tokens=written, cached_tokens=min(cached, read))


class _Bounded(httpx2.AsyncByteStream):
    """A body that fails where it becomes too large."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._body:
            read += len(chunk)
            if read > LARGEST_BODY:
                raise httpx2.ReadError("body is too large")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


async def _bounded(response: httpx2.Response) -> None:
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)
