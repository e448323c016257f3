"""``Idempotency-Key`` on every POST of ``/v1`` (draft-ietf-httpapi-idempotency-key-header-07): ASGI middleware.

``app.py`` puts it around the routes, so that a new route cannot be forgotten. The first request with a key is carried
out and its answer kept for a day; the same request again gets that answer with ``Idempotency-Replayed: true``, in
whichever replica it arrives.

Bodies are never kept. An upload is fingerprinted while the route reads it; its repetition is read, hashed and thrown
away: nothing is spooled, decoded or stored. Only that can tell whether it is the same upload, so it has to be sent whole.

Answer and effect are two transactions. When a gateway dies between them, the repetition is carried out again after the
lease; every POST is made so that this does no harm (uploads are content-addressed, a retry of what is not failed is 409).
Not kept: 5xx, 429, 408, 401 and 403 (the same request may fare better later), and answers before the end of a long body.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heliograph_common.errors import HeliographError
from heliograph_common.http.problems import Problem
from heliograph_gateway.access.caller import Callers
from heliograph_gateway.http.problems import (
    IDEMPOTENCY_IN_FLIGHT,
    IDEMPOTENCY_MISMATCH,
    INVALID_IDEMPOTENCY_KEY,
    problem_of,
)
from heliograph_gateway.http.responses import add_problem
from heliograph_gateway.idempotency.fingerprint import BodyDigest, fingerprint
from heliograph_gateway.idempotency.queries import Answer, Claim, IdempotencyKeys, Known

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')  # RFC 8941, 3.3.3
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x7e]{1,255}")  # what most clients send
_PATTERN = r"""^([!#-+\x2d-~]{1,255}|"([ !#-\[\]-~]|\\["\\]){1,255}")$"""  # both, as the document tells it
_NOT_KEPT = frozenset({401, 403, 408, 429, 499})
_OF_THE_MOMENT = frozenset({"connection", "content-length", "date", "retry-after", "trace-id"})
_LARGEST_ANSWER = 1024 * 1024
_LEFT_UNREAD = 64 * 1024
"""Bytes of a body that are read for the fingerprint where the route itself has no use for a body."""
_COME_BACK = 2
_COUNTING = "upload-"
"""Headers that make a request another one: those of resumable uploads, which say in headers what others say in a body."""


class Idempotency:
    """Wraps an ASGI application."""

    def __init__(self, app: ASGIApp, *, keys: IdempotencyKeys, callers: Callers) -> None:
        self._app = app
        self._keys = keys
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith("/v1/"):
            keys = Headers(scope=scope).getlist(HEADER)
            caller = await self._callers.known(scope) if keys else None
            if caller is not None:
                await self._guarded(_Exchange(scope, receive, send), caller.subject, keys)
                return
        await self._app(scope, receive, send)

    async def _guarded(self, exchange: _Exchange, owner: str, keys: list[str]) -> None:
        try:
            claimed = await self._keys.claim(owner, parse_key(keys), exchange.route)
            if isinstance(claimed, Claim):
                await self._first(exchange, claimed)
            else:
                await _again(exchange, claimed)
        except Problem as problem:
            await exchange.answer(problem.response())
        except HeliographError as error:
            await exchange.answer(problem_of(error).response())

    async def _first(self, exchange: _Exchange, claim: Claim) -> None:
        answer = _Collected()
        try:
            async with self._keys.renewed(claim):
                await self._app(exchange.scope, exchange.receive, answer.send)
                await exchange.read_on(_LEFT_UNREAD)
        except Exception:
            await self._keys.give_up(claim)
            raise
        if exchange.read and answer.can_be_kept:
            await self._keys.keep(claim, answer.kept(exchange))
        else:
            await self._keys.give_up(claim)
        for message in answer.messages:
            await exchange.send(message)


async def _again(exchange: _Exchange, known: Known) -> None:
    """Answers as the first time.

    Raises:
        Problem: the first request is in flight, or was another one.
    """
    if known.route != exchange.route:
        raise Problem(IDEMPOTENCY_MISMATCH, f"The key was first used for `{known.route}`.")
    if known.status is None:
        raise Problem(
            IDEMPOTENCY_IN_FLIGHT,
            f"The first request is still in progress. Try again in {_COME_BACK} seconds.",
            headers={"Retry-After": str(_COME_BACK)},
        )
    # Another boundary makes a multipart body a little longer or shorter; what is far longer needs not be read.
    await exchange.read_on(known.body_bytes + _LEFT_UNREAD)
    if exchange.gone:
        return
    if not exchange.read or exchange.fingerprint() != known.fingerprint:
        raise Problem(IDEMPOTENCY_MISMATCH, "The query or body differs from the first request with this key.")
    response = Response(known.body, known.status)
    for name, value in known.headers:
        response.headers.append(name, value)
    response.headers[REPLAYED] = "true"
    await exchange.answer(response)


def parse_key(values: list[str]) -> str:
    """The key that the header's lines name: a quoted string (RFC 8941) or, as most clients send it, bare.

    Raises:
        Problem: it is none, or there are several.
    """
    if len(values) > 1:
        raise Problem(INVALID_IDEMPOTENCY_KEY, f"The request has {len(values)} `{HEADER}` headers.")
    value = values[0].strip()
    if quoted := _QUOTED.fullmatch(value):
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if not _BARE.fullmatch(value):
        raise Problem(INVALID_IDEMPOTENCY_KEY, f"`{HEADER}` must have 1 to 255 visible ASCII characters.")
    return value


def document(operation: dict[str, Any]) -> None:
    """Adds the header and its problems to an operation of the OpenAPI document."""
    operation.setdefault("parameters", []).append(
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": (
                "Unique key of this request. If the request is repeated with the same key within 24 hours, it is not "
                "carried "
                f"out again: the first response is returned with `{REPLAYED}: true`. An upload must be sent whole again."
            ),
            "schema": {"type": "string", "pattern": _PATTERN},
            "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
        }
    )
    for kind in (INVALID_IDEMPOTENCY_KEY, IDEMPOTENCY_IN_FLIGHT, IDEMPOTENCY_MISMATCH):
        add_problem(operation["responses"], str(kind.status), kind)


class _Exchange:
    """One request, whose body is fingerprinted as it is read. ``read``: to its end. ``gone``: the client hung up."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.send = send
        self.route = f"POST {scope['path']}"
        self.read = False
        self.gone = False
        self.size = 0
        self._receive = receive
        self._digest = BodyDigest(Headers(scope=scope).get("content-type", ""))

    async def receive(self) -> Message:
        """The next piece of the request."""
        message = await self._receive()
        self.gone = self.gone or message["type"] == "http.disconnect"
        if message["type"] == "http.request" and not self.read:
            chunk = message.get("body", b"")
            self.size += len(chunk)
            self._digest.write(chunk)
            self.read = not message.get("more_body", False)
        return message

    async def read_on(self, limit: int) -> None:
        """Reads the rest of a body of at most ``limit`` bytes."""
        announced = Headers(scope=self.scope).get("content-length", "0")
        while not self.read and not self.gone and max(self.size, int(announced)) <= limit:
            await self.receive()

    def fingerprint(self) -> str:
        """Of the request, once its body is read."""
        found = Headers(scope=self.scope).items()
        counting = sorted((name, value) for name, value in found if name.startswith(_COUNTING))
        path, query = self.scope["path"], self.scope["query_string"]
        return fingerprint("POST", path, query, self._digest.hexdigest(), counting)

    async def answer(self, response: Response) -> None:
        """Sends a response."""
        await response(self.scope, self._receive, self.send)


class _Collected:
    """An answer, held until it is kept."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        """Takes a piece of the answer."""
        self.messages.append(message)

    @property
    def can_be_kept(self) -> bool:
        """Whether a repetition may get it."""
        status: int = self.messages[0]["status"] if self.messages else 500
        return status < 500 and status not in _NOT_KEPT and len(self._body()) <= _LARGEST_ANSWER

    def kept(self, exchange: _Exchange) -> Answer:
        """What is kept of it."""
        start: dict[str, Any] = dict(self.messages[0])
        headers = MutableHeaders(raw=start["headers"])
        return Answer(
            fingerprint=exchange.fingerprint(),
            body_bytes=exchange.size,
            status=start["status"],
            headers=[[name, value] for name, value in headers.items() if not _is_of_the_moment(name)],
            body=self._body(),
        )

    def _body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


def _is_of_the_moment(name: str) -> bool:
    return name in _OF_THE_MOMENT or name.startswith("ratelimit")
