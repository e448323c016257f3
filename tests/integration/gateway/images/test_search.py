"""``q`` of ``GET /v1/images``: words of names, captions, alternative texts and tags, in pages of bounded work."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import func, insert, select, text, update
from tests.integration.gateway.support import Gateway, Picture, change, image_row, many, problem, upload

from heliograph_common.clock import utc_now
from heliograph_common.db import search
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.db.search import Filled
from heliograph_common.db.search_models import ImageDocument, ImageWord, SearchFill
from heliograph_gateway.images.search.filling import SearchFilling
from heliograph_gateway.images.search.queries import EXAMINED

PICTURES: dict[str, dict[str, Any]] = {
    "dog": {
        "name": "IMG_1234-beach.jpg",
        "caption": "A golden retriever runs along the shore.",
        "alt_text": "Dog beside a red car",
        "tags": ["dog", "golden retriever"],
    },
    "cat": {"name": "DSC00042.JPG", "caption": "A cat in a car, red with anger", "tags": ["cat"]},
    "party": {"name": "Été à la plage, Straße.png", "caption": "O'Neil's 2nd birthday", "tags": ["beach ball"]},
    "abroad": {"name": "Привет_海滩_مرحبا_שלום.webp", "tags": []},
    "bare": {"name": "scan.png"},
}

FOUND: list[tuple[str, set[str]]] = [
    ("beach", {"dog", "party"}),
    ("img_1234", {"dog"}),
    ("IMG_1234-beach.jpg", {"dog"}),
    ("1234", {"dog"}),
    ("dsc42", set()),
    ("dsc00042", {"cat"}),
    ("DSC 00042", {"cat"}),
    ("retriever", {"dog"}),
    ("golden shore", {"dog"}),
    ("retr", {"dog"}),
    ("retr shore", set()),
    ('"retr"', set()),
    ("red car", {"dog", "cat"}),
    ('"red car"', {"dog"}),
    ('"car red"', {"cat"}),
    ('"retriever runs along"', {"dog"}),
    ('"shore dog"', set()),
    ('"dog golden"', set()),
    ("red -dog", {"cat"}),
    ('red -"red car"', {"cat"}),
    ("-red", {"party", "abroad", "bare"}),
    ("cat or shore", {"dog", "cat"}),
    ("red cat or birthday", {"cat"}),
    ("scan or birthday or 1234", {"bare", "party", "dog"}),
    ("ete PLAGE", {"party"}),
    ("strasse", {"party"}),
    ("o'neil", {"party"}),
    ("neil 2nd", {"party"}),
    ("привет", {"abroad"}),
    ("ПРИВЕТ", {"abroad"}),
    ("海", {"abroad"}),
    ("مرحبا", {"abroad"}),
    ("שלום webp", {"abroad"}),
    ("zebra", set()),
    ("beach zebra", set()),
]


async def _names(client: httpx2.AsyncClient, q: str, **more: str) -> list[str]:
    """All that is found, page by page."""
    found: list[str] = []
    answer = await client.get("/v1/images", params={"q": q, **more})
    while True:
        assert answer.status_code == 200, answer.text
        found += [image["name"] for image in answer.json()["images"]]
        if answer.json()["next"] is None:
            return found
        answer = await client.get(answer.json()["next"])


@pytest.fixture
async def pictures(db: Database) -> dict[str, str]:
    """Rows of ``PICTURES`` of ann's, and the key of each name."""
    async with db.transaction() as connection:
        for values in PICTURES.values():
            await connection.execute(insert(Image).values(image_row("ann", None, **values)))
    return {values["name"]: key for key, values in PICTURES.items()}


async def test_what_is_found(pictures: dict[str, str], ann: httpx2.AsyncClient) -> None:
    for q, expected in FOUND:
        assert {pictures[name] for name in await _names(ann, q)} == expected, q


async def test_what_an_analysis_told_is_shown(pictures: dict[str, str], ann: httpx2.AsyncClient) -> None:
    listed = (await ann.get("/v1/images?q=retriever")).json()["images"][0]
    one = (await ann.get(f"/v1/images/{listed['id']}")).json()
    for image in (listed, one):
        told = {key: image[key] for key in ("caption", "alt_text", "tags")}
        assert told == {key: PICTURES["dog"][key] for key in told}
    bare = (await ann.get("/v1/images?q=scan")).json()["images"][0]
    assert (bare["caption"], bare["alt_text"], bare["tags"]) == (None, None, None)


async def test_an_upload_is_found_and_an_analysis_makes_it_found_by_more(
    ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    made = await upload(ann, picture(), name="holiday.png")
    assert await _names(ann, "holiday") == ["holiday.png"]
    await change(db, made["id"], caption="A heron", tags=["water"])
    assert await _names(ann, "heron water") == ["holiday.png"]
    await change(db, made["id"], caption="A stork")
    assert await _names(ann, "heron") == []
    assert await _names(ann, "stork holiday") == ["holiday.png"]
    assert (await ann.delete(f"/v1/images/{made['id']}")).status_code == 204
    assert await _names(ann, "stork") == []
    assert await _names(ann, "-stork") == []
    async with db.transaction() as connection:
        for table in (ImageDocument, ImageWord):
            assert (await connection.execute(select(func.count()).select_from(table))).scalar_one() == 0


async def test_only_the_owners_images(
    pictures: dict[str, str], ann: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    for q, _ in FOUND:
        assert await _names(bob, q) == []
    cursor = (await ann.get("/v1/images?q=car&limit=1")).json()["next"]
    assert (await bob.get(cursor)).json() == {"images": [], "next": None}


async def test_newest_first_with_other_filters(pictures: dict[str, str], ann: httpx2.AsyncClient, db: Database) -> None:
    assert [pictures[name] for name in await _names(ann, "red or scan", limit="1")] == ["bare", "cat", "dog"]
    async with db.transaction() as connection:
        await connection.execute(update(Image).where(Image.name == "scan.png").values(source="dropbox"))
        cat = update(Image).where(Image.name == "DSC00042.JPG")
        await connection.execute(cat.values(processing_status="failed", taken_at=utc_now()))
    assert [pictures[name] for name in await _names(ann, "red or scan", source="dropbox")] == ["bare"]
    assert [pictures[name] for name in await _names(ann, "red or scan", status="failed")] == ["cat"]
    assert [pictures[name] for name in await _names(ann, "-zebra", status="failed")] == ["cat"]
    assert [pictures[name] for name in await _names(ann, "red", taken_after="2001-01-01T00:00:00Z")] == ["cat"]
    assert [pictures[name] for name in await _names(ann, "red", name="img")] == ["dog"]
    assert await _names(ann, "red", created_before="2001-01-01T00:00:00Z") == []


async def test_with_near(ann: httpx2.AsyncClient, db: Database) -> None:
    rows = [image_row("ann", 1, name=f"{name}.png") for name in ("this", "beach", "forest")]
    async with db.transaction() as connection:
        await connection.execute(insert(Image), rows)
    assert await _names(ann, "beach", near=str(rows[0]["id"])) == ["beach.png"]
    assert await _names(ann, "!", near=str(rows[0]["id"])) == []


async def test_a_cursor_belongs_to_its_search(pictures: dict[str, str], ann: httpx2.AsyncClient) -> None:
    cursor = (await ann.get("/v1/images?q=car&limit=1")).json()["next"]
    problem(await ann.get(cursor.replace("q=car", "q=cat")), "invalid-cursor")


HOSTILE = (
    "&|!()", "'", "''", "\\", "\\'", '"', '""', '"""', "-", "--", '-"', "!!a & | b", "a:*", ":*", "a<->b", "<->", "*",
    "%", "_", "' OR 1=1 --", "'; DROP TABLE images; --", "😀", "👩👧 dog", "\u202emoc\u202c", "\u200b", "\u0301", "\x01",
    "a\x01b", "\x7f", "\ufffd", "the", "or or or", "or", "-or", "a or -", '"a or b', "((((((((((", "x" * 255,
    "x " * 127, "-x " * 85, "or " * 85, '"' * 255, "a or " * 50 + "b", "ﷺ" * 255, "1" * 255, "-" * 255, "a-b" * 85,
    "\U0010ffff", "한국어", "e\u0301" * 100, "\t\n\r",
)  # fmt: skip


async def test_hostile_searches(pictures: dict[str, str], ann: httpx2.AsyncClient) -> None:
    for q in HOSTILE:
        answer = await ann.get("/v1/images", params={"q": q})
        assert answer.status_code == 200, (q, answer.text)
        assert answer.json()["next"] is None
    for q in ("😀", "&|!()", "\u200b", '""'):
        assert await _names(ann, q) == []
    for q in ("", "x" * 256, "x" * 10_000, "a\0b"):
        problem(await ann.get("/v1/images", params={"q": q}), "invalid-parameter")


async def test_hostile_texts_of_images(ann: httpx2.AsyncClient, db: Database) -> None:
    """A model or a client says what it likes: nothing of it keeps an image out."""
    for n, said in enumerate((*HOSTILE, "word " * 5_000, "x" * 100_000, "'\\:1,2A " * 100, "\U0001f600" * 1000)):
        values = {"name": said or "x", "caption": said, "alt_text": said, "tags": [said, f"number{n}q", said]}
        async with db.transaction() as connection:
            await connection.execute(insert(Image).values(image_row("ann", None, **values)))
    async with db.transaction() as connection:
        images, documents = select(func.count()).select_from(Image), select(func.count()).select_from(ImageDocument)
        assert (await connection.execute(images)).scalar_one() == (await connection.execute(documents)).scalar_one()
    assert len(await _names(ann, "number3q")) == 1


@pytest.fixture
async def grown(db: Database) -> int:
    """More of ann's images than a page looks at, called common; some are rare, and every other one is even."""
    total = 2 * EXAMINED + 10
    await many(db, "ann", total, [2, 3, EXAMINED, total - 1])
    async with db.transaction(statement_seconds=60) as connection:
        numbered = text(
            "UPDATE images SET tags = ARRAY[CASE WHEN right(id::text, 1) ~ '[02468ace]' THEN 'even' ELSE 'odd' END]"
        )
        await connection.execute(numbered)
        await connection.execute(text("ANALYZE"))
    return total


async def test_pages_of_many_images_leave_none_out(grown: int, ann: httpx2.AsyncClient) -> None:
    rare = ["rare-2", "rare-3", f"rare-{EXAMINED}", f"rare-{grown - 1}"]
    assert await _names(ann, '"rare"') == rare[::-1]
    assert await _names(ann, '"rare"', limit="1") == rare[::-1]
    assert await _names(ann, "-common", limit="200") == rare[::-1]
    assert len(await _names(ann, "common", limit="200")) == grown - 4
    assert len(await _names(ann, "even", limit="200")) == grown // 2
    assert len(await _names(ann, "even or rare", limit="200")) == grown // 2 + 2
    assert len(await _names(ann, "common or rare or even", limit="200")) == grown
    assert await _names(ann, "common or rare", name="rare") == rare[::-1]
    assert await _names(ann, '"even" "odd"') == []
    one = (await ann.get('/v1/images?q="rare"')).json()
    assert (len(one["images"]), one["next"]) == (4, None)
    for q in ("even rare-3", "rare even", '"rare" "even"'):  # from the rarer word, whichever comes first
        one = (await ann.get("/v1/images", params={"q": q})).json()
        assert one["next"] is None, q
    full = (await ann.get("/v1/images?q=common")).json()
    assert len(full["images"]) == 50


async def test_the_beginning_of_many_words(ann: httpx2.AsyncClient, db: Database) -> None:
    """More words than are looked up: the newest images are looked at instead."""
    rows = [image_row("ann", None, name=f"w{chr(97 + n // 26)}{chr(97 + n % 26)}.png") for n in range(60)]
    async with db.transaction() as connection:
        await connection.execute(insert(Image), rows)
    assert len(await _names(ann, "w", limit="7")) == 60
    assert len(await _names(ann, "wb", limit="7")) == 26
    assert len(await _names(ann, "png wb", limit="7")) == 26
    assert await _names(ann, "wz") == []


async def test_images_that_are_older_than_the_search(gateway: Gateway, ann: httpx2.AsyncClient, db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(text("ALTER TABLE images DISABLE TRIGGER image_words_made"))
        await many_in(connection, 25)
        await connection.execute(text("ALTER TABLE images ENABLE TRIGGER image_words_made"))
        await connection.execute(update(Image).where(Image.name == "old-7").values(deleted_at=utc_now()))
        await connection.execute(update(Image).where(Image.name == "old-8").values(caption="told meanwhile"))
        await connection.execute(update(SearchFill).values(finished_at=None, before="f" * 32))
    assert await _names(ann, "old") == ["old-8"]

    async with db.transaction() as connection:
        assert await search.fill(connection, batch=10) is Filled.SOME
    assert await _names(ann, "old") == [f"old-{n}" for n in range(24, 14, -1)] + ["old-8"]
    filling = SearchFilling(db, batch=10, slice_seconds=60)
    assert await filling.advance() is False
    assert len(await _names(ann, "old")) == 24
    assert await _names(ann, "told old") == ["old-8"]
    async with db.transaction() as connection:
        assert await search.fill(connection, batch=10) is Filled.ALL
    assert await filling.advance() is False


async def test_one_fills_at_a_time(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(update(SearchFill).values(finished_at=None, before="f" * 32))
    async with db.transaction() as first, db.transaction() as second:
        assert await search.fill(first, batch=10) is Filled.ALL
        assert await search.fill(second, batch=10) is Filled.OTHERS


async def many_in(connection: Any, total: int) -> None:
    rows = [image_row("ann", None, name=f"old-{n}") for n in range(total)]
    await connection.execute(insert(Image), rows)
