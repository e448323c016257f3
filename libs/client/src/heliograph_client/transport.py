"""HTTP: one request with its token, its retries and its errors. Routes are in ``client.py``.

The only module that speaks httpx2; its errors are translated here.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from heliograph_client.body import Body
from heliograph_client.connection import Connection, is_loopback
from heliograph_client.errors import (
    AnalysisUnavailable,
    HeliographError,
    ProblemError,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    problem_error,
)
from heliograph_client.form import Form
from heliograph_client.models import Problem
from heliograph_client.retry import RetryPolicy, retry_after

log = logging.getLogger(__name__)

_SECONDS = 60.0
_TIMEOUT = httpx2.Timeout(_SECONDS, connect=10.0, pool=None)
_BUSY = frozenset({429, 503})
_GATEWAY_FAULTS = frozenset({502, 504})
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout)

Parsed = TypeVar("Parsed", bound=BaseModel)


class Transport:
    """Sends requests to one API. Close it with ``aclose``."""

    def __init__(self, connection: Connection, policy: RetryPolicy) -> None:
        self._connection = connection
        self._policy = policy
        self._answered = False
        self._http = httpx2.AsyncClient(
            base_url=connection.api,
            timeout=_TIMEOUT,
            trust_env=not is_loopback(connection.api),  # a proxy cannot reach this machine's loopback
            headers={"User-Agent": f"heliograph-client/{importlib.metadata.version('heliograph-client')}"},
            limits=httpx2.Limits(max_connections=32, max_keepalive_connections=8),
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        body: Body | Form | None = None,
        wait: float = 0,
        admin: bool = False,
        repeatable: bool = True,
    ) -> httpx2.Response:
        """The successful answer. Tried again when the server is busy or cannot be reached and, if ``repeatable``, when
        the connection breaks after the request went out. ``wait``: seconds that the server is
        asked to wait for the result (RFC 7240).

        Raises:
            ProblemError: the server refused.
            Unreachable: nothing answers.
        """
        sent = self._authorization(admin) | ({"Prefer": f"wait={math.ceil(wait)}"} if wait > 0 else {})
        if body is not None:
            sent |= {"Content-Type": body.content_type}
            sent |= {} if body.size is None else {"Content-Length": str(body.size)}
            repeatable = body.repeatable

        timeout = httpx2.Timeout(_SECONDS + wait, connect=10.0, pool=None) if wait > 0 else _TIMEOUT

        async def send() -> httpx2.Response:
            content = body.chunks() if body is not None else None
            return await self._http.request(
                method, path, params=_present(params), json=json, content=content, headers=sent, timeout=timeout
            )

        return await self._tried(send, method, path, self._unreachable, body=body, repeatable=repeatable)

    async def store(self, url: str, headers: Mapping[str, str], body: Body) -> None:
        """Puts a file to a signed URL, which wants no token. Tried again as ``request``.

        Raises:
            UnexpectedAnswer: the object store refused.
            Unreachable: it does not answer.
        """
        sized = {**headers, "Content-Length": str(body.size)}
        async with httpx2.AsyncClient(timeout=_TIMEOUT, trust_env=not is_loopback(url)) as http:

            async def send() -> httpx2.Response:
                return await http.put(url, content=body.chunks(), headers=sized)

            try:
                await self._tried(send, "PUT", "to the object store", _store_unreachable, body=body, repeatable=True)
            except Unavailable:
                raise
            except ProblemError as error:  # its 403 says nothing about the token
                said = f"the object store rejected the file with status {error.problem.status}"
                raise UnexpectedAnswer(f"{said}; upload it again, and compare the clocks if this persists") from error

    async def _tried(
        self,
        send: Callable[[], Awaitable[httpx2.Response]],
        method: str,
        path: str,
        unreachable: Callable[[httpx2.HTTPError], Unreachable],
        *,
        body: Body | Form | None,
        repeatable: bool,
    ) -> httpx2.Response:
        """Awaits ``send`` until it succeeds, fails for good, or the policy has had enough."""
        failures = 0
        while True:
            server_delay: float | None = None
            failure: HeliographError
            try:
                response = await send()
            except httpx2.HTTPError as error:
                failure = unreachable(error)
                again = repeatable or isinstance(error, _NEVER_SENT)
            else:
                self._answered = True
                if response.is_success or (failures and method == "DELETE" and response.status_code == 404):
                    return response  # a repeated DELETE finds nothing where the first one's answer was lost
                failure = _refusal(response)
                server_delay = retry_after(response.headers.get("Retry-After"))
                again = _may_repeat(response.status_code, body, repeatable=repeatable)
                again = again and not isinstance(failure, AnalysisUnavailable)  # who waits is to hear it at once
            failures += 1
            delay = self._policy.delay(failures, server_delay, answered=self._answered) if again else None
            if delay is None:
                raise failure
            log.debug("%s %s failed %d times, retrying in %.2f s: %s", method, path, failures, delay, failure)
            await asyncio.sleep(delay)

    @asynccontextmanager
    async def fetch(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes behind a signed URL, which wants no token.

        Raises:
            ProblemError: the object store refused.
            Unreachable: it does not answer, or broke off.
        """
        try:
            async with (
                httpx2.AsyncClient(timeout=_TIMEOUT, trust_env=not is_loopback(url)) as http,
                http.stream("GET", url) as response,
            ):
                if not response.is_success:
                    await response.aread()
                    raise _refusal(response)
                async with aclosing(response.aiter_bytes()) as chunks:
                    yield chunks
        except httpx2.HTTPError as error:
            raise _store_unreachable(error) from error

    def _authorization(self, admin: bool) -> dict[str, str]:
        token = self._connection.token_for(admin=admin)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _unreachable(self, error: httpx2.HTTPError) -> Unreachable:
        return Unreachable(
            f"{self._connection.api} does not answer ({_said(error)}); check the address ({self._connection.origin}) "
            "and that the server is running"
        )


def parse(model: type[Parsed], response: httpx2.Response) -> Parsed:
    """The JSON of ``response`` as ``model``.

    Raises:
        UnexpectedAnswer: it is something else.
    """
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise UnexpectedAnswer(
            f"{response.request.url.copy_with(query=None)} returned an unexpected response ({where}: {first['msg']}); "
            "check the address, and that client and server versions match"
        ) from error


def _may_repeat(status: int, body: Body | Form | None, *, repeatable: bool) -> bool:
    if status in _BUSY:
        return body is None or body.repeatable
    return repeatable and status in _GATEWAY_FAULTS


def _refusal(response: httpx2.Response) -> HeliographError:
    if response.is_redirect:
        return UnexpectedAnswer(
            f"{response.request.url} redirects to {response.headers.get('Location')}; use that address"
        )
    if response.headers.get("Content-Type", "").startswith("application/problem+json"):
        try:
            return problem_error(Problem.model_validate_json(response.content))
        except ValidationError:
            log.debug("not a problem document: %r", response.content[:200])
    text = " ".join(response.text[:200].split()) if "html" not in response.headers.get("Content-Type", "") else ""
    title = f"the server answered {response.status_code} {response.reason_phrase}".rstrip()
    return problem_error(
        Problem(status=response.status_code, title=title, detail=f"{title}: {text}" if text else title)
    )


def _store_unreachable(error: httpx2.HTTPError) -> Unreachable:
    return Unreachable(f"the object store does not answer ({_said(error)}); try again later")


def _present(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (params or {}).items() if value is not None}


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
