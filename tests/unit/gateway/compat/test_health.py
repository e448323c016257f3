"""What the health routes of older clients are told while servers are away, and how often servers are asked for it."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import httpx2
import pytest
from tests.contracts import compat

from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.runtime.health import Health
from heliograph_gateway.compat import health as polls_module
from heliograph_gateway.compat import waiting
from heliograph_gateway.compat.health import Polls
from heliograph_gateway.queue.service import Queue


class Server:
    """A database that answers, fails or hangs."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.hangs = False

    async def configured(self) -> bool:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return True

    async def state_of_all(self) -> dict[str, Any]:
        await self.configured()
        return {"waiting": 1}

    def polls(self, cache_seconds: float = 600) -> Polls:
        return Polls(cast("Queue", self), self.configured, cache_seconds=cache_seconds)


async def test_however_many_ask_the_server_is_asked_once() -> None:
    server = Server()
    polls = server.polls()
    assert await asyncio.gather(*(polls.configured() for _ in range(50))) == [True] * 50
    assert server.asked == 1
    assert await asyncio.gather(*(polls.queue() for _ in range(50))) == [{"waiting": 1}] * 50
    assert server.asked == 2


async def test_without_the_database_the_last_answer_about_the_model_stands() -> None:
    server = Server()
    polls = server.polls(cache_seconds=0)
    server.error = DatabaseUnavailable("away")
    assert await polls.configured() is False
    server.error = None
    assert await polls.configured() is True
    server.error = DatabaseUnavailable("away")
    assert await polls.configured() is True
    assert await polls.queue() is None, "numbers that may have changed are not told"


async def test_a_database_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polls_module, "PATIENCE", 0.05)
    server = Server()
    server.hangs = True
    async with asyncio.timeout(30):
        assert await server.polls().queue() is None


async def test_the_gateway_that_waits_for_secrets() -> None:
    async def missing() -> None:
        raise RuntimeError("waiting for secrets: HELIOGRAPH_AUTH__SECRET_FILE names /run/secrets/jwt")

    health = Health(cache_seconds=0, grace_until=time.monotonic() + 600)
    health.register("secrets", missing)
    transport = httpx2.ASGITransport(app=waiting.app(health))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
        told = await client.get("/health")
        live, ready = await client.get("/livez"), await client.get("/readyz")
        others = [await client.get("/v1/images"), await client.post("/v1/images", content=b"x"), await client.get("/")]
        health.grace_until = time.monotonic()
        over = await client.get("/health")

    compat.check("health_waiting", told.json())
    assert (told.status_code, live.status_code, ready.status_code, over.status_code) == (200, 200, 503, 503)
    for answer in others:
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
        assert answer.headers["retry-after"].isdecimal()
