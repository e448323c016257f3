"""Bodies that stall, answers before the body's end, HEAD, and errors that nobody foresaw."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heliograph_gateway.http.guard import Guard


def request(method: str = "POST", **headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/", "headers": pairs, "query_string": b""}


def piece(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


class Client:
    """The other end: sends ``pieces``, then nothing; keeps what it gets, and what had been sent by then."""

    def __init__(self, pieces: Sequence[Message]) -> None:
        self.pieces = list(pieces)
        self.got: list[Message] = []
        self.left_when_answered = -1

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        if self.pieces:
            return self.pieces.pop(0)
        return await asyncio.Future()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            self.left_when_answered = len(self.pieces)
        self.got.append(message)

    @property
    def status(self) -> int:
        return int(self.got[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.got[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got[1:])

    async def call(self, app: ASGIApp, scope: dict[str, Any], *, timeout: float = 30.0) -> None:
        await Guard(app, timeout)(scope, self.receive, self.send)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("no", 413)(scope, receive, send)


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(body, 200)(scope, receive, send)


async def test_a_body_that_is_read_leaves_the_connection_open() -> None:
    client = Client([piece(b"a", more=True), piece(b"b", more=False)])
    await client.call(read_all, request(content_length="2"))

    assert (client.status, client.body) == (200, b"ab")
    assert b"connection" not in client.headers


async def test_an_early_answer_is_sent_at_once_and_ends_after_the_body() -> None:
    client = Client([piece(b"x", more=True)] * 5 + [piece(b"x", more=False)])
    await client.call(refuse, request(content_length="6"))

    assert (client.status, client.body) == (413, b"no")
    assert client.headers[b"connection"] == b"close"
    assert client.left_when_answered == 6
    assert client.pieces == []
    assert [message.get("more_body", False) for message in client.got[1:]] == [True, False]


@pytest.mark.parametrize("last", [[], [{"type": "http.disconnect"}]])
async def test_an_early_answer_does_not_wait_for_a_client_that_is_silent_or_gone(last: list[Message]) -> None:
    client = Client(last)
    async with asyncio.timeout(10):
        await client.call(refuse, request(transfer_encoding="chunked"))

    assert (client.status, client.got[-1]["more_body"]) == (413, False)


async def test_without_a_body_nothing_is_awaited() -> None:
    client = Client([])
    await client.call(refuse, request("GET"))

    assert b"connection" not in client.headers
    assert len(client.got) == 2


async def test_a_body_that_stalls_ends_the_request() -> None:
    client = Client([piece(b"begin", more=True)])
    await client.call(read_all, request(content_length="9"), timeout=0.05)

    assert client.status == 500  # the bare guard; the application turns the problem into 408


async def test_an_unforeseen_error_is_a_problem_without_internals() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("the secret is 42")

    client = Client([])
    await client.call(broken, request("GET"))

    assert (client.status, client.headers[b"content-type"]) == (500, b"application/problem+json")
    assert json.loads(client.body)["type"] == "/problems/internal-error"
    assert b"42" not in client.body


async def test_an_error_after_the_answer_began_changes_nothing() -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await refuse(scope, receive, send)
        raise RuntimeError

    client = Client([])
    await client.call(half, request("GET"))

    assert [message["type"] for message in client.got] == ["http.response.start", "http.response.body"]


async def test_head_is_routed_as_get() -> None:
    async def method(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = "the route"
        await PlainTextResponse(scope["method"])(scope, receive, send)

    client = Client([])
    scope = request("HEAD")
    await client.call(method, scope)

    assert client.body == b"GET"
    assert (scope["method"], scope["route"]) == ("HEAD", "the route")
