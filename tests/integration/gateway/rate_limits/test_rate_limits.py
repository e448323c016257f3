"""One bucket for each caller and route, whichever of the gateways is asked; what refusals cost, and what they are told."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx2
from pydantic import SecretStr
from sqlalchemy import insert, select, text
from tests.integration.gateway.support import Gateway, problem, running

from heliograph_client import AsyncClient, Connection
from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_common.db.idempotency_models import IdempotencyKey
from heliograph_common.db.rate_limit_models import RateLimit
from heliograph_gateway.settings import GatewaySettings, RateLimitSettings, RatePolicy

Picture = Callable[..., bytes]
ONCE_IN_A_WHILE = RatePolicy(quota=1, window_seconds=1000, burst=30)


@asynccontextmanager
async def limited(
    settings: GatewaySettings, default: RatePolicy | None = None, **routes: RatePolicy
) -> AsyncIterator[Gateway]:
    """A gateway with these policies: ``limited(settings, default, POST=…)``."""
    by_route = {f"{method} /v1/images": policy for method, policy in routes.items()}
    policies = RateLimitSettings(default=default or RatePolicy(quota=1000, burst=1000), routes=by_route)
    async with running(settings.model_copy(update={"rate_limits": policies})) as gateway:
        yield gateway


async def row(db: Database, key: str) -> tuple[datetime, datetime]:
    """When the bucket will be full again, and what the database's clock says now."""
    async with db.transaction() as connection:
        found = await connection.execute(
            text("SELECT full_at, clock_timestamp() FROM rate_limits WHERE key = :key"), {"key": key}
        )
        full_at, now = found.one()
        return full_at, now


def rate_limit(answer: httpx2.Response) -> tuple[str, int, int]:
    """Name, remaining requests and seconds of the ``RateLimit`` field."""
    found = re.fullmatch(r'"([^"]+)";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert found is not None, answer.headers["ratelimit"]
    return found[1], int(found[2]), int(found[3])


async def test_two_replicas_let_no_more_pass_than_one(
    gateway_settings: GatewaySettings, bus: Bus, db: Database
) -> None:
    async with (
        limited(gateway_settings, ONCE_IN_A_WHILE) as one,
        limited(gateway_settings, ONCE_IN_A_WHILE) as other,
        one.client("ann") as ann_here,
        other.client("ann") as ann_there,
        other.client("bob") as bob,
    ):
        answers = await asyncio.gather(*(client.get("/v1/images") for client in (ann_here, ann_there) * 40))
        elsewhere = [await ann_there.get("/v1/queue"), await bob.get("/v1/images")]
    passed = [answer for answer in answers if answer.status_code == 200]

    assert sorted(rate_limit(answer)[1] for answer in passed) == list(range(30))
    assert {answer.status_code for answer in answers} == {200, 429}
    assert [(answer.status_code, rate_limit(answer)[1]) for answer in elsewhere] == [(200, 29)] * 2


async def test_what_passes_is_the_burst_and_what_the_databases_clock_gave_back(
    gateway_settings: GatewaySettings, bus: Bus, db: Database
) -> None:
    interval = timedelta(seconds=1) / 5
    policy = RatePolicy(quota=5, window_seconds=1, burst=20)
    key = "GET /v1/images ann"
    async with (
        limited(gateway_settings, policy) as one,
        limited(gateway_settings, policy) as other,
        one.client("ann") as here,
        other.client("ann") as there,
    ):
        ends = time.monotonic() + 2.5

        async def ask(client: httpx2.AsyncClient) -> list[int]:
            statuses = []
            while time.monotonic() < ends:
                statuses.append((await client.get("/v1/images")).status_code)
            return statuses

        before = await _now(db)
        begun = await asyncio.gather(*(client.get("/v1/images") for client in (here, there) * 8))
        began_full_at, _ = await row(db, key)  # 3 s from now: it will not be full again meanwhile
        statuses = [status for each in await asyncio.gather(*map(ask, (here, there) * 4)) for status in each]
        full_at, after = await row(db, key)
    passed = statuses.count(200)

    assert {answer.status_code for answer in begun} == {200}
    assert set(statuses) == {200, 429}
    assert 20 < 16 + passed <= 20 + (after - before) / interval
    assert abs(full_at - began_full_at - passed * interval) < timedelta(
        milliseconds=1
    )  # none was missed or counted twice


async def test_after_the_wait_it_passes(gateway_settings: GatewaySettings, bus: Bus, db: Database) -> None:
    async with (
        limited(gateway_settings, RatePolicy(quota=1, window_seconds=2, burst=2)) as gateway,
        gateway.client("ann") as ann,
    ):
        answers = [await ann.get("/v1/images?limit=5") for _ in range(3)]
        await asyncio.sleep(float(answers[2].headers["retry-after"]))  # by the database's clock
        answers.append(await ann.get("/v1/images"))

    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    for answer in answers:
        assert answer.headers["ratelimit-policy"] == '"GET /v1/images";q=1;w=2;heliograph-burst=2'
    assert [rate_limit(answer)[:2] for answer in answers[:3]] == [("GET /v1/images", left) for left in (1, 0, 0)]
    refused = problem(answers[2], "rate-limited")
    assert refused["violated-policies"] == ["GET /v1/images"]
    assert 1 <= int(answers[2].headers["retry-after"]) == rate_limit(answers[2])[2] <= 2


async def test_the_seconds_are_those_until_there_is_more(
    gateway_settings: GatewaySettings, bus: Bus, db: Database
) -> None:
    policy = RatePolicy(quota=1, window_seconds=100, burst=3)
    capacity, interval = timedelta(seconds=300), timedelta(seconds=100)
    async with limited(gateway_settings, policy) as gateway, gateway.client("ann") as ann:
        for _ in range(4):
            answer = await ann.get("/v1/images")
            full_at, now = await row(db, "GET /v1/images ann")
            free = capacity - (full_at - now)
            _, remaining, seconds = rate_limit(answer)
            assert remaining == free // interval
            assert 0 <= seconds - (interval - free % interval).total_seconds() < 10  # rounded up; asked a little later


async def test_a_refused_request_keeps_no_answer_for_its_key(
    gateway_settings: GatewaySettings, bus: Bus, db: Database, picture: Picture
) -> None:
    key = {"Idempotency-Key": "once", "Content-Type": "image/png"}
    async with (
        limited(gateway_settings, POST=RatePolicy(quota=1, window_seconds=1, burst=1)) as gateway,
        gateway.client("ann") as ann,
    ):
        await ann.post("/v1/images", content=picture(seed=1))
        refused = await ann.post("/v1/images", content=picture(), headers=key)
        async with db.transaction() as connection:
            kept = (await connection.execute(select(IdempotencyKey.key))).all()
        await asyncio.sleep(1)  # by the database's clock
        first = await ann.post("/v1/images", content=picture(), headers=key)
        await asyncio.sleep(1)  # by the database's clock
        replayed = await ann.post("/v1/images", content=picture(), headers=key)

    problem(refused, "rate-limited")
    assert kept == []
    assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
    assert (replayed.status_code, replayed.headers["idempotency-replayed"]) == (201, "true")
    assert replayed.headers.get_list("ratelimit") == ['"POST /v1/images";r=0;t=1']  # its own, not the first answer's


async def test_a_large_upload_is_refused_at_its_first_bytes(
    gateway_settings: GatewaySettings, bus: Bus, picture: Picture
) -> None:
    async with limited(gateway_settings, POST=ONCE_IN_A_WHILE.model_copy(update={"burst": 1})) as gateway:
        async with gateway.client("ann") as ann:
            assert (await ann.post("/v1/images", content=picture())).status_code == 201
        head = [
            "POST /v1/images HTTP/1.1",
            "Host: gateway",
            f"Authorization: Bearer {gateway.token('ann')}",
            "Content-Type: image/jpeg",
            f"Content-Length: {10**9}",
        ]
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode() + b"\xff\xd8\xff" + b"x" * 100_000)
        async with asyncio.timeout(60):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            rest = await reader.read()  # to the end: it closes, though most of the body was never sent
        writer.close()

    assert answer.startswith("http/1.1 429 ")
    assert "\r\nconnection: close\r\n" in answer
    assert re.search(r"\r\nretry-after: (9\d\d|1000)\r\n", answer)
    assert b"/problems/rate-limited" in rest


async def test_the_python_client_waits_as_it_is_told(
    gateway_settings: GatewaySettings, bus: Bus, picture: Picture
) -> None:
    """Its user notices nothing but the time that it takes."""
    async with limited(gateway_settings, POST=RatePolicy(quota=1, window_seconds=1, burst=1)) as gateway:
        connection = Connection(
            api=f"http://127.0.0.1:{gateway.port}", events="ws://127.0.0.1:9", token=SecretStr(gateway.token("ann"))
        )
        began = time.monotonic()
        async with AsyncClient(connection) as client:
            images = [await client.upload(picture(seed=number), name=f"{number}.png") for number in range(3)]

    assert len({image.id for image in images}) == 3
    assert time.monotonic() - began >= 2


async def test_without_postgresql_the_route_says_what_is_away(
    gateway_settings: GatewaySettings, bus: Bus, picture: Picture
) -> None:
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:9/nothing"
    database = gateway_settings.database.model_copy(update={"url": type(gateway_settings.database.url)(nowhere)})
    away = gateway_settings.model_copy(update={"database": database})
    async with limited(away, ONCE_IN_A_WHILE) as gateway, gateway.client("ann") as ann:
        answers = [await ann.get("/v1/images"), await ann.post("/v1/images", content=picture())]

    for answer in answers:
        problem(answer, "database-unavailable")
        assert "ratelimit" not in answer.headers


async def test_full_buckets_are_cleared_away(gateway_settings: GatewaySettings, bus: Bus, db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(insert(RateLimit).values(key="GET /v1/images long ago", full_at=text("now()")))
    async with running(gateway_settings), asyncio.timeout(60):
        while await _keys(db):
            await asyncio.sleep(0.05)


async def test_ordinary_clients_do_not_meet_them(ann: httpx2.AsyncClient, picture: Picture) -> None:
    """By default: hundreds of requests as fast as they go."""
    answers = await asyncio.gather(*(ann.get("/v1/images?limit=1") for _ in range(300)))
    uploads = [await ann.post("/v1/images", content=picture(seed=number)) for number in range(20)]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.status_code for answer in uploads} == {201}
    assert rate_limit(answers[0])[0] == "GET /v1/images"
    assert rate_limit(uploads[0])[1] == 999


async def _now(db: Database) -> datetime:
    async with db.transaction() as connection:
        now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        return now


async def _keys(db: Database) -> list[Any]:
    async with db.transaction() as connection:
        return list((await connection.execute(select(RateLimit.key))).scalars())
