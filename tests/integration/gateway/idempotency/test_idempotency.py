"""Repeated POSTs are carried out once, in whichever replica they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import func, select, update
from tests.integration.gateway.support import Gateway, change, count, problem, running, upload

from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_common.db.idempotency_models import IdempotencyKey
from heliograph_common.db.image_models import Image
from heliograph_gateway.idempotency.queries import Claim, IdempotencyKeys, Known

Picture = Callable[..., bytes]
KEY = {"Idempotency-Key": '"8e03978e-40d5"', "Content-Type": "image/png"}


async def _images(db: Database) -> int:
    async with db.transaction() as connection:
        return int((await connection.execute(select(func.count()).select_from(Image))).scalar_one())


async def _keys(db: Database) -> list[Any]:
    async with db.transaction() as connection:
        return list((await connection.execute(select(IdempotencyKey.__table__))).all())


async def test_a_repeated_upload_gets_the_first_answer(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    first = await ann.post("/v1/images?name=a.png", content=picture(), headers=KEY)
    await change(db, first.json()["id"], processing_status="complete")
    again = await ann.post(
        "/v1/images?name=a.png", content=picture(), headers=KEY | {"Idempotency-Key": "8e03978e-40d5"}
    )

    assert (first.status_code, again.status_code) == (201, 201)  # without a key it would be 200
    assert again.content == first.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    for name in ("etag", "location", "content-type", "cache-control"):
        assert again.headers[name] == first.headers[name]


async def test_a_multipart_upload_that_is_built_anew_is_the_same(ann: httpx2.AsyncClient, picture: Picture) -> None:
    files = [("file", (f"{n}.png", picture(seed=n), "image/png")) for n in range(2)]
    key = {"Idempotency-Key": "several"}
    first = await ann.post("/v1/images", files=files, headers=key)
    again = await ann.post("/v1/images", files=files, headers=key)
    other = await ann.post("/v1/images", files=files[:1], headers=key)

    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert first.status_code == 201, first.text
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert problem(other, "idempotency-mismatch")["status"] == 422


async def test_another_request_under_the_same_key_is_refused(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    image = (await ann.post("/v1/images", content=picture(), headers=KEY)).json()
    others = [
        await ann.post("/v1/images", content=picture(seed=1), headers=KEY),
        await ann.post("/v1/images?name=b.png", content=picture(), headers=KEY),
        await ann.post(f"/v1/images/{image['id']}/retry", headers=KEY),
        await ann.post("/v1/images", content=b"x" * 500_000, headers=KEY),
    ]

    for answer in others:
        assert problem(answer, "idempotency-mismatch")["status"] == 422
    assert await _images(db) == 1


async def test_keys_belong_to_their_owner(ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, picture: Picture) -> None:
    first = await ann.post("/v1/images", content=picture(), headers=KEY)
    other = await bob.post("/v1/images", content=picture(seed=1), headers=KEY)

    assert (first.status_code, other.status_code) == (201, 201)
    assert first.json()["id"] != other.json()["id"]


async def test_a_retry_with_and_without_a_body(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    image = await upload(ann, picture(), priority="high")
    for n, body in enumerate((b"", b"{}")):
        await change(db, image["id"], processing_status="failed", processing_error="crashed")
        key = {"Idempotency-Key": f"retry-{n}"}
        answers = [await ann.post(f"/v1/images/{image['id']}/retry", content=body, headers=key) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].content == answers[1].content

    assert await count(bus, "WORK", "work.render.high", expected=3) == 3


async def test_a_refusal_is_repeated_too(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image = await upload(ann, picture())
    key = {"Idempotency-Key": "early"}
    path = f"/v1/images/{image['id']}/retry"
    first = await ann.post(path, headers=key)
    await change(db, image["id"], processing_status="failed", processing_error="crashed")
    again = await ann.post(path, headers=key)

    problem(first, "conflict")
    assert (again.status_code, again.content) == (409, first.content)
    assert again.headers["content-type"] == "application/problem+json"
    assert again.headers["idempotency-replayed"] == "true"


async def test_what_may_fare_better_later_is_not_kept(
    gateway: Gateway, ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    async with gateway.client("ann", ["images:read"]) as reader, gateway.client(token="none") as stranger:
        forbidden = await reader.post("/v1/images", content=picture(), headers=KEY)
        unknown = await stranger.post("/v1/images", content=picture(), headers=KEY)
    unread = await ann.post("/v1/images", content=b"x" * 200_000, headers=KEY | {"Content-Type": "text/plain"})

    async def stalls() -> AsyncIterator[bytes]:
        yield picture()[:20]
        await asyncio.sleep(4)  # longer than the gateway waits for a body

    slow = await ann.post("/v1/images", content=stalls(), headers=KEY)
    assert [answer.status_code for answer in (forbidden, unknown, unread, slow)] == [403, 401, 415, 408]
    assert await _keys(db) == []
    assert (await ann.post("/v1/images", content=picture(), headers=KEY)).status_code == 201


async def test_an_outage_frees_the_key(gateway_settings: Any, bus: Bus, db: Database, picture: Picture) -> None:
    away = gateway_settings.model_copy(
        update={"s3": gateway_settings.s3.model_copy(update={"endpoint": "http://127.0.0.1:9"})}
    )
    async with running(away) as gateway, gateway.client("ann") as ann:
        failed = await ann.post("/v1/images", content=picture(), headers=KEY)

    problem(failed, "object-store-unavailable")
    assert await _keys(db) == []


async def test_bad_keys(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    for bad in ("", "k" * 256, "a b", '"a'):
        answer = await ann.post("/v1/images", content=picture(), headers=KEY | {"Idempotency-Key": bad})
        assert problem(answer, "invalid-idempotency-key")["status"] == 400, bad

    assert await _images(db) == 0


async def test_many_at_once_in_two_replicas(
    gateway: Gateway, gateway_settings: Any, db: Database, bus: Bus, picture: Picture
) -> None:
    async with running(gateway_settings) as second, gateway.client("ann") as one, second.client("ann") as other:
        answers = await asyncio.gather(
            *(client.post("/v1/images", content=picture(), headers=KEY) for client in (one, other) * 6)
        )
        late = await other.post("/v1/images", content=picture(), headers=KEY)

    firsts = [
        answer for answer in answers if answer.status_code == 201 and "idempotency-replayed" not in answer.headers
    ]
    assert len(firsts) == 1
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, "idempotency-in-flight")
            assert answer.headers["retry-after"] == "2"
        else:
            assert answer.content == firsts[0].content
    assert late.content == firsts[0].content
    assert await count(bus, "WORK", "work.render.normal", expected=1) == 1


# -- the table ---------------------------------------------------------------------------------------------------------


async def test_a_claim_whose_holder_died_passes_on(db: Database) -> None:
    keys = IdempotencyKeys(db, lease=timedelta(seconds=0.5))
    first = await keys.claim("ann", "k", "POST /a")
    assert isinstance(first, Claim)
    async with keys.renewed(first):
        await asyncio.sleep(1.5)  # leases end by the database's clock
        while_alive = await keys.claim("ann", "k", "POST /b")
    await asyncio.sleep(1)  # leases end by the database's clock
    second = await keys.claim("ann", "k", "POST /b")
    await keys.give_up(first)  # it comes back too late
    third = await keys.claim("ann", "k", "POST /b")

    assert isinstance(while_alive, Known)
    assert while_alive.status is None
    assert isinstance(second, Claim)
    assert isinstance(third, Known)


async def test_keys_are_forgotten_after_a_day(db: Database) -> None:
    keys = IdempotencyKeys(db)
    for name in ("old", "older", "new"):
        await keys.claim("ann", name, "POST /a")
    async with db.transaction() as connection:
        aged = update(IdempotencyKey).where(IdempotencyKey.key != "new")
        await connection.execute(aged.values(created_at=func.now() - timedelta(hours=25), status=200))
    reused = await keys.claim("ann", "old", "POST /a")

    assert isinstance(reused, Claim)
    assert await keys.forget() == 1
    assert {row.key for row in await _keys(db)} == {"old", "new"}
