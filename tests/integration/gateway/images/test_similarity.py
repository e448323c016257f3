"""Images that look alike: the same answer as comparing all with all, by index, in pages."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import insert, text
from tests.integration.gateway.support import change, image_row, problem, upload

from heliograph_common.clock import utc_now
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_gateway.images.schemas import NearPage
from heliograph_gateway.images.similarity.queries import Similar, candidates

Picture = Callable[..., bytes]
_CENTRE = -0x0123456789ABCDEF


def _flipped(phash: int, count: int, chance: random.Random) -> int:
    for bit in chance.sample(range(63), count):
        phash ^= 1 << bit
    return phash ^ -(1 << 63) if chance.random() < 0.1 else phash


async def _fill(db: Database, rows: list[dict[str, Any]]) -> None:
    async with db.transaction() as connection:
        await connection.execute(insert(Image), rows)
        await connection.execute(text("ANALYZE images"))


@pytest.fixture
async def library(db: Database) -> list[dict[str, Any]]:
    """Some thousand images around one; half of them another owner's, some deleted or without a hash."""
    chance = random.Random(7)
    rows = [image_row("ann", _CENTRE)]
    for _ in range(3000):
        owner = chance.choice(("ann", "bob"))
        near = _flipped(_CENTRE, chance.randrange(0, 20), chance)
        phash = chance.choice((near, chance.getrandbits(64) - (1 << 63), None))
        deleted = utc_now() if chance.random() < 0.1 else None
        rows.append(image_row(owner, phash, source=chance.choice(("upload", "dropbox")), deleted_at=deleted))
    await _fill(db, rows)
    return rows


def _expected(rows: list[dict[str, Any]], distance: int, source: str | None = None) -> list[tuple[str, int]]:
    found = [
        (((row["phash"] ^ _CENTRE) & ((1 << 64) - 1)).bit_count(), row["id"])
        for row in rows[1:]
        if row["owner"] == "ann" and row["phash"] is not None and row["deleted_at"] is None
        and source in {None, row["source"]}
    ]  # fmt: skip
    near = sorted((each for each in found if each[0] <= distance), key=lambda each: (each[0], -each[1].int))
    return [(str(image_id), bits) for bits, image_id in near]


async def _pages(client: httpx2.AsyncClient, query: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    url: str | None = f"/v1/images?{query}"
    while url is not None:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        page = NearPage.model_validate(answer.json())
        found += [(str(image.id), image.distance) for image in page.images]
        url = page.next
    return found


async def test_the_answer_is_that_of_comparing_all(library: list[dict[str, Any]], ann: httpx2.AsyncClient) -> None:
    image_id = library[0]["id"]
    for distance in (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 16):
        expected = _expected(library, distance)
        assert expected, distance
        assert await _pages(ann, f"near={image_id}&distance={distance}&limit=71") == expected, distance

    assert await _pages(ann, f"near={image_id}&limit=200") == _expected(library, 8)
    dropbox = await _pages(ann, f"near={image_id}&source=dropbox&limit=40")
    assert dropbox == _expected(library, 8, "dropbox")


async def test_the_indexes_are_used(db: Database) -> None:
    filling = """
        INSERT INTO images (id, owner, name, source, sha256, bytes, mime_type, width, height, phash)
        SELECT gen_random_uuid(), 'ann', 'a', 'upload', md5(n::text), 1, 'image/png', 1, 1,
               (random() * 9e18)::bigint # (random() * 9e18)::bigint
        FROM generate_series(1, 20000) AS n"""
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("SET statement_timeout = '60s'"))
        await connection.execute(text(filling))
        await connection.execute(text("VACUUM ANALYZE images"))
        to = Similar(of=UUID(int=0), phash=_CENTRE, distance=8)
        statement = candidates("ann", to).compile(db.engine.sync_engine, compile_kwargs={"literal_binds": True})
        plan = "\n".join((await connection.execute(text("EXPLAIN " + str(statement).replace(":", r"\:")))).scalars())

    for band in range(3):
        assert f"ix_images_near_{band}" in plan, plan
    assert "Seq Scan" not in plan, plan


async def test_an_image_without_a_hash_has_no_neighbours_yet(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    image, other = await upload(ann, picture()), await upload(ann, picture(seed=1))
    early = await ann.get(f"/v1/images?near={image['id']}")
    await change(db, image["id"], phash=5)
    await change(db, other["id"], phash=4)
    found = (await ann.get(f"/v1/images?near={image['id']}")).json()

    assert problem(early, "conflict")["state"] == "pending"
    assert [(each["id"], each["distance"], each["phash"]) for each in found["images"]] == [
        (other["id"], 1, "0000000000000004")
    ]


async def test_wrong_questions(ann: httpx2.AsyncClient, library: list[dict[str, Any]]) -> None:
    near = f"near={library[0]['id']}"
    for query in ("distance=3", f"{near}&distance=17", f"{near}&distance=-1", f"{near}&distance=x", "near=5"):
        assert problem(await ann.get(f"/v1/images?{query}"), "invalid-parameter")["errors"], query
    problem(await ann.get("/v1/images?near=01890000-0000-7000-8000-000000000000"), "not-found")
    cursor = (await ann.get(f"/v1/images?{near}&limit=1")).json()["next"].partition("cursor=")[2]
    for query in (f"cursor={cursor}", f"{near}&distance=7&cursor={cursor}", f"{near}&source=a&cursor={cursor}"):
        problem(await ann.get(f"/v1/images?{query}"), "invalid-cursor")
