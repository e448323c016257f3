"""Lists, conditions, deletion, retries and renditions of images, over PostgreSQL and S3."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import event, insert, select, text
from tests.integration.gateway.support import Picture, change, count, many, problem, upload

from heliograph_common.blobs import keys
from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.clock import utc_now
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image, Rendition
from heliograph_gateway.images.queries import EXAMINED, ImageFilter, page_of_images
from heliograph_gateway.images.schemas import ImagePage
from heliograph_gateway.renditions.schemas import SignedUrl


async def test_pages_follow_each_other_without_gap_or_repetition(ann: httpx2.AsyncClient, picture: Picture) -> None:
    made = [(await upload(ann, picture(seed=seed)))["id"] for seed in range(7)]
    seen: list[str] = []
    url: str | None = "/v1/images?limit=3"
    while url is not None:
        answer = await ann.get(url)
        page = answer.json()
        ImagePage.model_validate(page)
        seen += [image["id"] for image in page["images"]]
        url = page["next"]
        assert answer.headers.get("link") == (f'<{url}>; rel="next"' if url else None)

    assert seen == made[::-1]


async def test_an_image_that_comes_or_goes_meanwhile_moves_no_page(ann: httpx2.AsyncClient, picture: Picture) -> None:
    made = [(await upload(ann, picture(seed=seed)))["id"] for seed in range(4)]
    first = (await ann.get("/v1/images?limit=2")).json()
    await upload(ann, picture(seed=9))
    await ann.delete(f"/v1/images/{made[2]}")  # the one at which the page ended
    second = (await ann.get(first["next"])).json()

    assert [image["id"] for image in second["images"]] == [made[1], made[0]]


@pytest.fixture
async def dated(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> dict[str, str]:
    """Three images: ``old`` failed and was taken in 2001, ``mid`` is complete, ``new`` is 100%_new."""
    ids = {
        name: (await upload(ann, picture(seed=n), name=f"{name}.png"))["id"] for n, name in enumerate(("old", "mid"))
    }
    ids["new"] = (await upload(ann, picture(seed=7), name="100%_new.png"))["id"]
    taken = {"old": 2001, "mid": 2010}
    for name, year in taken.items():
        await change(db, ids[name], taken_at=utc_now().replace(year=year))
    await change(db, ids["old"], processing_status="failed", processing_error="broken", source="dropbox")
    await change(db, ids["mid"], processing_status="complete")
    return ids


FILTERS: list[tuple[str, list[str]]] = [
    ("status=failed", ["old"]),
    ("status=complete&source=upload", ["mid"]),
    ("source=dropbox", ["old"]),
    ("source=none", []),
    ("name=MID", ["mid"]),
    ("name=%25_", ["new"]),
    ("name=_", ["new"]),
    ("taken_after=2005-01-01T00:00:00Z", ["mid"]),
    ("taken_before=2005-01-01T00:00:00%2B02:00", ["old"]),
    ("created_before=2005-01-01T00:00:00Z", []),
    ("created_after=2005-01-01T00:00:00Z&name=png", ["new", "mid", "old"]),
    ("created_after=0001-01-01T00:00:00Z&created_before=9999-12-31T23:59:59Z", ["new", "mid", "old"]),
]


async def test_filters(dated: dict[str, str], ann: httpx2.AsyncClient) -> None:
    for query, expected in FILTERS:
        answer = await ann.get(f"/v1/images?{query}")
        assert answer.status_code == 200, answer.text
        assert [image["id"] for image in answer.json()["images"]] == [dated[name] for name in expected], query


async def test_a_filter_that_matches_rarely_leads_on_from_short_pages(ann: httpx2.AsyncClient, db: Database) -> None:
    """No index serves text in names: each page looks at a bounded number of images, and none is left out."""
    rare = [2, EXAMINED - 1, EXAMINED, 2 * EXAMINED + 7]
    await many(db, "ann", 2 * EXAMINED + 10, rare)
    names: list[str] = []
    lengths: list[int] = []
    url: str | None = "/v1/images?name=rare&limit=2"
    while url is not None:
        page = (await ann.get(url)).json()
        names += [image["name"] for image in page["images"]]
        lengths.append(len(page["images"]))
        url = page["next"]

    assert names == [f"rare-{number}" for number in sorted(rare, reverse=True)]
    assert lengths == [1, 2, 1]
    assert (await ann.get("/v1/images?name=nowhere")).json()["next"] is not None


async def test_a_page_reads_only_its_owners_index(db: Database) -> None:
    """Whoever has many images, all older than those of others, must not wait for a walk through theirs."""
    await many(db, "ann", 8_000)
    await many(db, "bob", 8_000, first=8_001)
    async with db.transaction() as connection:
        await connection.execute(text("ANALYZE images"))
        for wanted in (
            ImageFilter(),
            ImageFilter(status="pending"),
            ImageFilter(source="upload"),
            ImageFilter(name="com"),
        ):
            statements: list[tuple[str, Any]] = []

            def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any, to: Any = statements) -> None:
                to.append((statement, parameters))

            event.listen(connection.sync_connection, "before_cursor_execute", note)
            page = await page_of_images(connection, "ann", wanted, before=None, limit=50)
            event.remove(connection.sync_connection, "before_cursor_execute", note)
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statements[0][0]}"
            plan = (await connection.exec_driver_sql(explain, statements[0][1])).scalar_one()[0]["Plan"]

            assert len(page.rows) == 50
            assert "pk_images" not in str(plan), wanted
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 40, wanted


async def test_creation_bounds_are_exact(dated: dict[str, str], ann: httpx2.AsyncClient, db: Database) -> None:
    async with db.transaction() as connection:
        moment = (await connection.execute(select(Image.created_at).where(Image.id == UUID(dated["mid"])))).scalar_one()
    bound = moment.isoformat().replace("+00:00", "Z")
    after = (await ann.get("/v1/images", params={"created_after": bound})).json()["images"]
    before = (await ann.get("/v1/images", params={"created_before": bound})).json()["images"]

    assert [image["id"] for image in after] == [dated["new"], dated["mid"]]
    assert [image["id"] for image in before] == [dated["old"]]


async def test_a_cursor_belongs_to_its_filters(ann: httpx2.AsyncClient, picture: Picture) -> None:
    for seed in range(3):
        await upload(ann, picture(seed=seed))
    following = (await ann.get("/v1/images?limit=1&source=upload")).json()["next"]
    cursor = following.partition("cursor=")[2]

    for query in (
        f"cursor={cursor}",
        f"source=upload&status=failed&cursor={cursor}",
        "cursor=bm9uc2Vuc2U",
    ):
        answer = await ann.get(f"/v1/images?{query}")
        assert answer.status_code == 400, query
        problem(answer, "invalid-cursor")
    assert len((await ann.get(f"/v1/images?source=upload&limit=200&cursor={cursor}")).json()["images"]) == 2


async def test_an_etag_stays_until_the_image_changes(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    path = f"/v1/images/{(await upload(ann, picture()))['id']}"
    tag = (await ann.get(path)).headers["etag"]
    unchanged = await ann.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
    head = await ann.head(path)
    await change(db, path.rpartition("/")[2], thumbhash="abc")
    changed = await ann.get(path, headers={"If-None-Match": tag})

    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_deletion(ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture) -> None:
    image = await upload(ann, picture())
    path = f"/v1/images/{image['id']}"
    tag = (await ann.get(path)).headers["etag"]

    stale = await ann.delete(path, headers={"If-Match": '"stale"'})
    weak = await ann.delete(path, headers={"If-Match": f"W/{tag}"})
    gone = await ann.delete(path, headers={"If-Match": tag})
    again = await ann.delete(path)
    problem(stale, "precondition-failed")
    assert (stale.status_code, weak.status_code, gone.status_code, again.status_code) == (412, 412, 204, 404)
    assert stale.headers["etag"] == tag
    assert (await ann.get(path)).status_code == 404
    assert (await ann.get("/v1/images")).json()["images"] == []
    assert (await upload(ann, picture()))["id"] != image["id"]  # the same bytes are a new image
    async with db.transaction() as connection:
        deleted = (await connection.execute(select(Image.deleted_at).where(Image.id == UUID(image["id"])))).scalar_one()
    assert deleted is not None
    assert await count(bus, "EVENTS", "events.image.deleted", expected=1) == 1


async def test_only_a_failed_image_is_tried_again(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    image = await upload(ann, picture(), priority="high")
    path = f"/v1/images/{image['id']}/retry"
    early = await ann.post(path)
    await change(
        db, image["id"], processing_status="failed", thumbnail_status="complete", variant_status="failed",
        processing_error="crashed", processing_retryable=True, processing_attempts=3,
    )  # fmt: skip
    failed = (await ann.get(f"/v1/images/{image['id']}")).json()
    retried = await ann.post(path)
    twice = await ann.post(path)

    assert failed["error"] == {"reason": "crashed", "retryable": True, "attempts": 3}
    assert "pending" in problem(early, "conflict")["detail"]
    assert (early.status_code, retried.status_code, twice.status_code) == (409, 202, 409)
    assert retried.json()["status"] == "pending"
    assert retried.json()["error"] is None
    assert retried.json()["stages"]["thumbnails"] == "complete"
    assert await count(bus, "WORK", "work.render.high", expected=2) == 2
    assert await count(bus, "EVENTS", "events.image.retried", expected=1) == 1


# -- renditions --------------------------------------------------------------------------------------------------------


async def _render(db: Database, image: dict[str, Any], name: str) -> str:
    key = keys.rendition(image["sha256"], "1", f"{name}.webp")
    values = {"image_id": UUID(image["id"]), "name": name, "kind": "thumbnail", "width": 3, "height": 2}
    async with db.transaction() as connection:
        await connection.execute(insert(Rendition).values(**values, format="webp", bytes=4, key=key))
    return key


async def test_the_original_can_be_fetched(ann: httpx2.AsyncClient, picture: Picture) -> None:
    image = await upload(ann, picture(), name="ü.png")
    redirect = await ann.get(image["links"]["original"])
    told = await ann.get(f"{image['links']['original']}?url=1")
    async with httpx2.AsyncClient(trust_env=False) as anyone:
        fetched = await anyone.get(redirect.headers["location"])
        fetched_too = await anyone.get(told.json()["url"])

    assert redirect.status_code == 302
    assert fetched.content == fetched_too.content == picture()
    assert fetched.headers["content-type"] == "image/png"
    until = SignedUrl.model_validate(told.json()).expires_at - utc_now()
    assert timedelta(minutes=50) < until < timedelta(minutes=61)


async def test_a_rendition_can_be_fetched_once_it_is_there(
    ann: httpx2.AsyncClient, db: Database, blobs: MinioBlobs, picture: Picture
) -> None:
    image = await upload(ann, picture())
    async with db.transaction() as connection:
        name = (await connection.exec_driver_sql("SELECT name FROM display_sizes LIMIT 1")).scalar_one()
    path = f"/v1/images/{image['id']}/renditions/{name}"

    early = await ann.get(path)
    unknown = await ann.get(f"/v1/images/{image['id']}/renditions/none-such")
    await change(db, image["id"], processing_status="failed", processing_error="crashed")
    failed = await ann.get(path)
    key = await _render(db, image, name)
    lost = await ann.get(path)
    await blobs.put(key, b"webp", content_type="image/webp")
    there = await ann.get(path)

    assert problem(early, "not-rendered-yet")["state"] == "pending"
    assert early.headers["retry-after"] == "2"
    assert "original" in problem(unknown, "not-found")["detail"]
    assert f"/v1/images/{image['id']}/retry" in problem(failed, "not-rendered-yet")["detail"]
    problem(lost, "not-found")
    assert there.status_code == 302
    async with httpx2.AsyncClient(trust_env=False) as anyone:
        assert (await anyone.get(there.headers["location"])).content == b"webp"
    shown = (await ann.get(f"/v1/images/{image['id']}")).json()
    assert [rendition["url"] for rendition in shown["renditions"]] == [path]


async def _rendered(db: Database, blobs: MinioBlobs, image: dict[str, Any]) -> list[str]:
    """Gives an image all its renditions, and has it complete."""
    async with db.transaction() as connection:
        sizes = (await connection.exec_driver_sql("SELECT name FROM display_sizes ORDER BY name")).scalars().all()
    made = [await _render(db, image, name) for name in sizes]
    for key in made:
        await blobs.put(key, b"webp", content_type="image/webp")
    await change(db, image["id"], processing_status="complete", thumbnail_status="complete", variant_status="complete")
    return made


async def test_a_complete_image_is_tried_again_for_what_it_has_lost(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, blobs: MinioBlobs, picture: Picture
) -> None:
    image = await upload(ann, picture())
    path = f"/v1/images/{image['id']}"
    made = await _rendered(db, blobs, image)
    whole = await ann.post(f"{path}/retry")
    await blobs.delete(made[0])
    await blobs.put(made[1], b"we", content_type="image/webp")  # cut off
    name = made[0].rpartition("/")[2].removesuffix(".webp")
    lost = await ann.get(f"{path}/renditions/{name}")
    retried = await ann.post(f"{path}/retry")
    again = await ann.post(f"{path}/retry")

    assert "no rendition is missing" in problem(whole, "conflict")["detail"]
    assert f"{path}/retry" in problem(lost, "not-found")["detail"]
    assert (whole.status_code, retried.status_code, again.status_code) == (409, 202, 409)
    assert retried.json()["status"] == "pending"
    assert len(retried.json()["renditions"]) == len(made) - 2
    assert await count(bus, "WORK", "work.render.normal", expected=2) == 2
    assert await count(bus, "EVENTS", "events.image.retried", expected=1) == 1


async def test_a_complete_image_is_tried_again_for_a_size_that_it_was_never_rendered_in(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, blobs: MinioBlobs, picture: Picture
) -> None:
    image = await upload(ann, picture())
    await _rendered(db, blobs, image)
    async with db.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM renditions WHERE name = (SELECT max(name) FROM renditions)")

    assert (await ann.post(f"/v1/images/{image['id']}/retry")).status_code == 202
    assert await count(bus, "WORK", "work.render.normal", expected=2) == 2


async def test_the_same_bytes_again_heal_a_lost_original(
    ann: httpx2.AsyncClient, db: Database, blobs: MinioBlobs, picture: Picture
) -> None:
    image = await upload(ann, picture())
    key = keys.original(image["sha256"])
    await blobs.delete(key)
    lost = await ann.get(f"/v1/images/{image['id']}/renditions/original")
    headers = {"Content-Type": "image/png"}
    again = await ann.post("/v1/images", content=picture(), headers=headers)

    assert "Upload the image again" in problem(lost, "not-found")["detail"]
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (200, image["id"], "pending")
    assert await blobs.get(key) == picture()
    assert (await ann.get(f"/v1/images/{image['id']}/renditions/original")).status_code == 302


async def test_the_same_bytes_again_heal_a_failed_image(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, blobs: MinioBlobs, picture: Picture
) -> None:
    image = await upload(ann, picture())
    await blobs.put(keys.original(image["sha256"]), b"other", content_type="image/png")
    reason = "the object store returned different bytes than were stored"
    await change(db, image["id"], processing_status="failed", processing_error=reason, processing_attempts=3)
    headers = {"Content-Type": "image/png"}
    again = await ann.post("/v1/images", content=picture(), headers=headers, params={"priority": "high"})

    assert (again.status_code, again.json()["id"]) == (200, image["id"])
    assert (again.json()["status"], again.json()["error"]) == ("pending", None)
    assert await blobs.get(keys.original(image["sha256"])) == picture()
    assert await count(bus, "WORK", "work.render.high", expected=1) == 1
    assert await count(bus, "EVENTS", "events.image.retried", expected=1) == 1
    async with db.transaction() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM blob_intents")).scalar_one() == 0


async def test_moments_are_utc(ann: httpx2.AsyncClient, picture: Picture) -> None:
    image = await upload(ann, picture())

    assert image["created_at"].endswith("Z")
    assert abs(datetime.fromisoformat(image["created_at"]) - utc_now()) < timedelta(minutes=5)
    assert UUID(image["id"]).version == 7
