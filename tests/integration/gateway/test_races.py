"""Requests that meet: the same bytes twice at once, deletions beside uploads, two retries. Two gateways over the same
servers, as replicas are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select
from tests.integration.gateway.analyses.support import analysis_rows, analyze, configure, show
from tests.integration.gateway.support import Gateway, change, count, problem, running, upload

from heliograph_common.blobs import keys
from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.db.message_models import OutboxRow
from heliograph_gateway.settings import GatewaySettings

Picture = Callable[..., bytes]
Client = httpx2.AsyncClient

PNG = {"Content-Type": "image/png"}


@pytest.fixture
async def other(gateway_settings: GatewaySettings, gateway: Gateway) -> AsyncIterator[Gateway]:
    """A second replica of the gateway."""
    async with running(gateway_settings) as replica:
        yield replica


@pytest.fixture
async def anns(gateway: Gateway, other: Gateway) -> AsyncIterator[list[Client]]:
    """Clients of one owner, one at each replica."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(replica.client("ann")) for replica in (gateway, other)]


async def post(client: Client, data: bytes, **parameters: str) -> httpx2.Response:
    return await client.post("/v1/images", content=data, params=parameters, headers=PNG)


async def told(db: Database, bus: Bus, stream: str, subject: str) -> int:
    """How many messages of ``subject`` there are, once the outbox is empty."""
    async with asyncio.timeout(10):
        while True:
            async with db.transaction() as connection:
                left = (await connection.execute(select(func.count()).select_from(OutboxRow))).scalar_one()
            if not left:
                return await count(bus, stream, subject, expected=0)
            await asyncio.sleep(0.05)


async def rows(db: Database) -> list[Any]:
    async with db.transaction() as connection:
        return list((await connection.execute(select(Image.__table__).order_by(Image.id))).all())


async def test_the_same_file_at_once_is_one_image(anns: list[Client], db: Database, bus: Bus, picture: Picture) -> None:
    answers = await asyncio.gather(*(post(anns[n % 2], picture(), name=f"{n}.png") for n in range(8)))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 7}
    assert len({answer.json()["id"] for answer in answers}) == len({answer.headers["etag"] for answer in answers}) == 1
    assert len(await rows(db)) == 1
    assert await told(db, bus, "WORK", "work.render.normal") == 1
    assert await told(db, bus, "EVENTS", "events.image.stored") == 1


async def test_the_same_file_of_several_owners_at_once(
    gateway: Gateway, other: Gateway, db: Database, bus: Bus, picture: Picture
) -> None:
    async def one(number: int) -> httpx2.Response:
        async with (gateway, other)[number % 2].client(f"owner-{number}") as client:
            return await post(client, picture())

    answers = await asyncio.gather(*(one(number) for number in range(6)))

    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.json()["id"] for answer in answers}) == 6
    assert sorted(row.owner for row in await rows(db)) == [f"owner-{number}" for number in range(6)]
    assert await told(db, bus, "WORK", "work.render.normal") == 6


async def test_deletions_beside_uploads_of_the_same_bytes(
    anns: list[Client], gateway: Gateway, db: Database, bus: Bus, picture: Picture
) -> None:
    """Either the upload finds the image, which is then deleted, or it comes after the deletion and makes a new one."""
    outcomes: Counter[tuple[int, int]] = Counter()
    for seed in range(12):
        image = await upload(anns[0], picture(seed=seed))
        deleted, again = await asyncio.gather(
            anns[0].delete(f"/v1/images/{image['id']}"), post(anns[1], picture(seed=seed))
        )
        outcomes[deleted.status_code, again.status_code] += 1
        assert (again.json()["id"] == image["id"]) == (again.status_code == 200)
        alive = await anns[0].get(again.json()["links"]["self"])
        assert alive.status_code == (404 if again.status_code == 200 else 200)

    assert outcomes.keys() <= {(204, 200), (204, 201)}
    blobs = MinioBlobs(gateway.settings.s3)
    for row in await rows(db):
        assert await blobs.head(keys.original(row.sha256)) is not None
    await blobs.close()
    assert await told(db, bus, "EVENTS", "events.image.stored") == 12 + outcomes[204, 201]


async def test_an_image_deleted_while_its_bytes_are_still_coming_again(
    anns: list[Client], db: Database, picture: Picture
) -> None:
    image = await upload(anns[0], picture())
    deleted = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield picture()[:20]
        await deleted.wait()
        yield picture()[20:]

    sending = asyncio.create_task(anns[1].post("/v1/images", content=slowly(), headers=PNG))
    assert (await anns[0].delete(f"/v1/images/{image['id']}")).status_code == 204
    deleted.set()
    answer = await sending

    assert (answer.status_code, answer.json()["status"]) == (201, "pending")
    assert answer.json()["id"] != image["id"]
    assert [row.deleted_at is None for row in await rows(db)] == [False, True]


async def test_two_deletions_at_once(anns: list[Client], db: Database, bus: Bus, picture: Picture) -> None:
    image = await upload(anns[0], picture())
    path = f"/v1/images/{image['id']}"
    tag = (await anns[0].get(path)).headers["etag"]
    answers = await asyncio.gather(*(anns[n % 2].delete(path, headers={"If-Match": tag}) for n in range(6)))

    assert Counter(answer.status_code for answer in answers) == {204: 1, 404: 5}
    assert await told(db, bus, "EVENTS", "events.image.deleted") == 1


async def test_of_retries_at_once_one_wins(anns: list[Client], db: Database, bus: Bus, picture: Picture) -> None:
    image = await upload(anns[0], picture())
    await change(db, image["id"], processing_status="failed", processing_error="crashed", processing_attempts=3)
    answers = await asyncio.gather(*(anns[n % 2].post(f"/v1/images/{image['id']}/retry") for n in range(6)))

    assert Counter(answer.status_code for answer in answers) == {202: 1, 409: 5}
    for answer in answers:
        if answer.status_code == 409:
            assert problem(answer, "conflict")["state"] == "pending"
    assert await told(db, bus, "WORK", "work.render.normal") == 2
    assert await told(db, bus, "EVENTS", "events.image.retried") == 1


async def test_a_retry_beside_a_deletion(anns: list[Client], db: Database, bus: Bus, picture: Picture) -> None:
    for seed in range(6):
        image = await upload(anns[0], picture(seed=seed))
        await change(db, image["id"], processing_status="failed", processing_error="crashed", processing_attempts=3)
        path = f"/v1/images/{image['id']}"
        deleted, retried = await asyncio.gather(anns[0].delete(path), anns[1].post(f"{path}/retry"))

        assert deleted.status_code == 204
        assert retried.status_code in {202, 404}
        assert (await anns[1].get(path)).status_code == 404
        assert (await anns[1].post(f"{path}/retry")).status_code == 404


async def test_an_analysis_asked_for_by_several_at_once_is_queued_once(
    anns: list[Client], bus: Bus, db: Database, picture: Picture
) -> None:
    image = await upload(anns[0], picture())
    await change(db, image["id"], processing_status="complete", thumbnail_status="complete", variant_status="complete")
    await show(db, image["id"])
    answers = await asyncio.gather(*(post(anns[n % len(anns)], picture(), analyze="food") for n in range(6)))

    assert [answer.status_code for answer in answers] == [200] * 6
    assert {answer.json()["stages"]["analysis"] for answer in answers} == {"pending"}
    (queued,) = await analysis_rows(db)
    assert (queued.profile, queued.ready_at is not None, queued.sent_at) == ("food", True, None)
    assert await told(db, bus, "WORK", "work.analyze.food") == 0, "the analyzer sends it in its turn"

    await configure(db)
    hastened = await asyncio.gather(*(analyze(anns[n % len(anns)], image["id"], "food", wait=1) for n in range(6)))
    assert {(answer.status_code, answer.json()["id"]) for answer in hastened} == {(202, str(queued.id))}
    assert await told(db, bus, "WORK", "work.analyze.food") == 1
