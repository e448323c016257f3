"""Direct uploads over the real servers: announced, PUT into the object store, completed; one by one and many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import pyvips
from tests.integration.gateway.support import Gateway, count, problem, running, upload
from tests.integration.gateway.uploads.direct.support import (
    PATH,
    age,
    announce,
    complete,
    objects,
    rows,
    send,
    sent,
    sha256,
    show,
)

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.clock import utc_now
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.db.upload_models import DirectUpload
from heliograph_gateway.settings import GatewaySettings
from heliograph_gateway.uploads.direct.schemas import CompletionOutcomes, DirectUploadOutcomes, DirectUploadShape

Picture = Callable[..., bytes]


# -- one upload --------------------------------------------------------------------------------------------------------


async def test_a_file_goes_past_the_gateway_and_becomes_an_image(
    ann: httpx2.AsyncClient, bus: Bus, blobs: MinioBlobs, picture: Picture
) -> None:
    data = picture()
    made = await announce(ann, data, name="dir/beach\n.png", priority="high")
    await send(made, data)
    there = await objects(blobs)
    answer = await complete(ann, made)
    image = answer.json()

    assert (made["state"], made["name"], made["priority"]) == ("open", "beach.png", "high")
    assert (made["image"], made["problem"]) == (None, None)
    assert there == [f"uploads/{made['id']}/file"]
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/images/{image['id']}"
    assert answer.headers["etag"] == (await ann.get(f"/v1/images/{image['id']}")).headers["etag"]
    assert (image["name"], image["sha256"], image["source"], image["priority"]) == (
        "beach.png",
        sha256(data),
        "upload",
        "high",
    )
    assert await blobs.get(f"originals/{sha256(data)}") == data
    assert await objects(blobs) == []
    assert await count(bus, "WORK", "work.render.high", expected=1) == 1
    assert await count(bus, "EVENTS", "events.image.stored", expected=1) == 1

    shown = await show(ann, made)
    assert (shown["state"], shown["image"]["id"], shown["upload"]) == ("complete", image["id"], None)
    again = await complete(ann, made)
    assert (again.status_code, again.json()) == (200, image)


@pytest.mark.parametrize("content_type", [None, "image/png", "text/plain; charset=utf-8"])
async def test_clients_may_name_any_content_type_or_none(
    ann: httpx2.AsyncClient, picture: Picture, content_type: str | None
) -> None:
    data = picture()
    made = await announce(ann, data)
    made["upload"]["headers"] = {} if content_type is None else {"Content-Type": content_type}
    await send(made, data)

    answer = await complete(ann, made)
    assert (answer.status_code, answer.json()["mime_type"]) == (201, "image/png")


async def test_a_file_of_many_megabytes(ann: httpx2.AsyncClient, blobs: MinioBlobs) -> None:
    data = pyvips.Image.black(2200, 2200, bands=3).copy(interpretation="srgb").pngsave_buffer(compression=0)
    made = await sent(ann, data, sha256=None)
    answer = await complete(ann, made)

    assert len(data) > 14_000_000
    assert (answer.status_code, answer.json()["sha256"]) == (201, sha256(data))
    assert sha256(await blobs.get(f"originals/{sha256(data)}")) == sha256(data)


async def test_nothing_was_sent(ann: httpx2.AsyncClient, picture: Picture) -> None:
    made = await announce(ann, picture())
    refused = await complete(ann, made)

    assert problem(refused, "upload-not-there")["status"] == 409
    assert (await show(ann, made))["state"] == "open"
    await send(await show(ann, made), picture())  # to the new address
    assert (await complete(ann, made)).status_code == 201


def _wide() -> bytes:
    data: bytes = pyvips.Image.black(10_000, 6_000).pngsave_buffer(bitdepth=1)
    return data


REFUSED: list[tuple[str, Callable[[bytes], tuple[dict[str, Any], bytes]], str, int, str]] = [
    ("more bytes", lambda data: ({"bytes": len(data) - 1}, data), "upload-mismatch", 422, "The upload announced"),
    ("fewer bytes", lambda data: ({"bytes": len(data) + 1}, data), "upload-mismatch", 422, "The upload announced"),
    ("other bytes", lambda data: ({"sha256": "0" * 64}, data), "upload-mismatch", 422, "SHA-256"),
    ("no picture", lambda _: ({"bytes": 5, "sha256": None}, b"hello"), "unsupported-image", 415, "JPEG"),
    ("broken", lambda data: ({"bytes": 20, "sha256": None}, data[:20]), "bad-image", 422, ""),
    ("many pixels", lambda _: ({"bytes": len(_wide()), "sha256": None}, _wide()), "image-too-large", 413, "50.0"),
]


@pytest.mark.parametrize(
    ("announced", "slug", "status", "words"), [(e[1], *e[2:]) for e in REFUSED], ids=[e[0] for e in REFUSED]
)
async def test_what_is_refused_is_refused_for_good(
    ann: httpx2.AsyncClient,
    db: Database,
    blobs: MinioBlobs,
    picture: Picture,
    announced: Callable[[bytes], tuple[dict[str, Any], bytes]],
    slug: str,
    status: int,
    words: str,
) -> None:
    more, data = announced(picture())
    made = await announce(ann, picture(), **more)
    await send(made, data)
    first = await complete(ann, made)
    left = await objects(blobs)
    await send(made, picture())  # the address can still be written to, and is no way back
    again = await complete(ann, made)
    shown = await show(ann, made)

    for answer in (first, again):
        assert answer.status_code == status
        assert words in problem(answer, slug)["detail"]
    timeless = [{k: v for k, v in answer.json().items() if k != "trace_id"} for answer in (first, again)]
    assert timeless[0] == timeless[1]
    assert (shown["state"], shown["problem"], shown["upload"]) == ("refused", first.json(), None)
    assert left == []
    assert await rows(db, Image) == 0


@pytest.mark.usefixtures("no_garbage_collection")
async def test_wrong_bodies_are_refused_by_their_field(ann: httpx2.AsyncClient, db: Database) -> None:
    good = {"name": "a.png", "bytes": 1}
    wrong: list[tuple[Any, str]] = [
        ({"bytes": 1}, "/name"),
        ({"name": "a.png"}, "/bytes"),
        (good | {"name": 7}, "/name"),
        (good | {"name": "n" * 4097}, "/name"),
        (good | {"bytes": "1"}, "/bytes"),
        (good | {"bytes": 1.5}, "/bytes"),
        (good | {"bytes": True}, "/bytes"),
        (good | {"bytes": 0}, "/bytes"),
        (good | {"sha256": "abc"}, "/sha256"),
        (good | {"sha256": "0" * 64 + "\n"}, "/sha256"),
        (good | {"priority": "urgent"}, "/priority"),
        (good | {"analyze": "nutrition"}, "/analyze"),
        (good | {"sha-256/~": "0" * 64}, "/sha-256~1~0"),
        ([], ""),
        ("a.png", ""),
    ]
    for body, pointer in wrong:
        answer = await ann.post(PATH, json=body)
        assert answer.status_code == 422, body
        assert pointer in [error["pointer"] for error in problem(answer, "invalid-body")["errors"]], body

    for raw in (b"", b"{", b'{"name": "a.png", "bytes": 1e999}', b"\xff", b"[" * 50_000):
        assert problem(await ann.post(PATH, content=raw), "invalid-json")["status"] == 400
    other = await ann.post(PATH, content=b"<a/>", headers={"Content-Type": "application/xml"})
    assert problem(other, "unsupported-media-type")["status"] == 415
    long = await ann.post(PATH, content=b" " * 70_000)
    assert problem(long, "body-too-large")["status"] == 413
    unknown = await ann.post(f"{PATH}?name=a.png", json=good)
    assert problem(unknown, "invalid-parameter")["status"] == 400
    assert await rows(db, DirectUpload) == 0


async def test_a_file_over_the_limit_is_not_even_begun(ann: httpx2.AsyncClient, gateway: Gateway) -> None:
    limit = gateway.settings.limits.file_bytes
    for size in (limit + 1, 10**30):
        body = problem(await ann.post(PATH, json={"name": "a", "bytes": size}), "image-too-large")
        assert body["status"] == 413
        assert f"{limit:,}" in body["detail"]
        assert "raise the limit" in body["remedy"]
    at_the_limit = await ann.post(PATH, json={"name": "a", "bytes": limit})
    assert at_the_limit.status_code == 201


async def test_an_analysis_is_asked_for(gateway_settings: GatewaySettings, bus: Bus, picture: Picture) -> None:
    own = gateway_settings.gateway.model_copy(update={"analysis_profiles": ["nutrition"]})
    async with running(gateway_settings.model_copy(update={"gateway": own})) as gateway, gateway.client() as ann:
        made = await sent(ann, picture(), analyze="nutrition")
        image = (await complete(ann, made)).json()

    assert made["analyze"] == "nutrition"
    assert image["stages"]["analysis"] == "pending"


# -- what one has already ----------------------------------------------------------------------------------------------


async def test_what_the_caller_has_needs_not_be_sent(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, picture: Picture
) -> None:
    image = await upload(ann, picture())
    body = {"name": "again.png", "bytes": len(picture()), "sha256": image["sha256"].upper()}
    answer = await ann.post(PATH, json=body)
    made = answer.json()
    DirectUploadShape.model_validate(made)

    assert answer.status_code == 200
    assert answer.headers["location"] == f"{PATH}/{made['id']}"
    assert (made["state"], made["image"], made["upload"]) == ("complete", image, None)
    assert "complete" not in made["links"]
    completed = await complete(ann, made)
    assert (completed.status_code, completed.json()) == (200, image)
    others = await bob.post(PATH, json=body)  # what ann has is nothing to bob, who must send it
    assert (others.status_code, others.json()["image"]) == (201, None)


async def test_a_duplicate_that_was_not_announced_is_found_at_the_end(
    ann: httpx2.AsyncClient, bus: Bus, blobs: MinioBlobs, picture: Picture
) -> None:
    image = await upload(ann, picture())
    made = await sent(ann, picture(), sha256=None)
    answer = await complete(ann, made)

    assert (answer.status_code, answer.json()) == (200, image)
    assert (await show(ann, made))["image"]["id"] == image["id"]
    assert await objects(blobs) == []
    assert await count(bus, "WORK", "work.render.normal", expected=1) == 1


async def test_an_image_that_was_deleted_since(ann: httpx2.AsyncClient, picture: Picture) -> None:
    made = await sent(ann, picture())
    image = (await complete(ann, made)).json()
    await ann.delete(f"/v1/images/{image['id']}")
    answer = await complete(ann, made)

    assert "deleted" in problem(answer, "not-found")["detail"]
    shown = await show(ann, made)
    assert (shown["state"], shown["image"]) == ("complete", None)
    anew = await sent(ann, picture())
    assert (await complete(ann, anew)).status_code == 201


# -- at once, aborted, expired -----------------------------------------------------------------------------------------


async def test_many_complete_it_at_once_in_two_replicas(
    gateway: Gateway, gateway_settings: GatewaySettings, bus: Bus, db: Database, blobs: MinioBlobs, picture: Picture
) -> None:
    async with running(gateway_settings) as second, gateway.client() as one, second.client() as other:
        made = await sent(one, picture())
        answers = await asyncio.gather(*(complete(client, made) for client in (one, other) * 4))

    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) == {200, 201}, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await rows(db, Image) == 1
    assert await objects(blobs) == []
    assert await count(bus, "WORK", "work.render.normal", expected=1) == 1


async def test_abort(ann: httpx2.AsyncClient, db: Database, blobs: MinioBlobs, picture: Picture) -> None:
    unsent, made = await announce(ann, picture(seed=1)), await sent(ann, picture())
    done = await sent(ann, picture(seed=2))
    image = (await complete(ann, done)).json()
    for each in (unsent, made, done):
        path = f"{PATH}/{each['id']}"
        assert (await ann.delete(path)).status_code == 204
        for answer in (await ann.get(path), await ann.post(f"{path}/complete"), await ann.delete(path)):
            assert problem(answer, "not-found")["status"] == 404

    assert await objects(blobs) == []
    assert await rows(db, DirectUpload) == 0
    assert (await ann.get(f"/v1/images/{image['id']}")).status_code == 200


async def test_completed_in_one_replica_and_aborted_in_another(
    gateway: Gateway, gateway_settings: GatewaySettings, bus: Bus, db: Database, blobs: MinioBlobs, picture: Picture
) -> None:
    images = 0
    async with running(gateway_settings) as second, gateway.client() as one, second.client() as other:
        for seed in range(8):
            made = await sent(one, picture(seed=seed))
            path = f"{PATH}/{made['id']}"

            async def abort(path: str = path, pause: float = seed / 400) -> httpx2.Response:
                await asyncio.sleep(pause)  # another moment each time
                return await other.delete(path)

            completed, aborted = await asyncio.gather(one.post(f"{path}/complete"), abort())
            assert aborted.status_code == 204
            if completed.status_code == 201:
                images += 1
            else:
                assert completed.json()["type"] in {"/problems/not-found", "/problems/upload-not-there"}
            assert (await one.get(path)).status_code == 404

    assert await rows(db, Image) == images
    assert await objects(blobs) == []


async def test_an_upload_that_was_not_finished_in_time(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    made, done = await sent(ann, picture()), await sent(ann, picture(seed=1))
    image = (await complete(ann, done)).json()
    for each in (made, done):
        await age(db, each, seconds=1)

    path = f"{PATH}/{made['id']}"
    for answer in (await ann.post(f"{path}/complete"), await ann.get(path), await ann.delete(path)):
        assert problem(answer, "upload-expired")["status"] == 410
    assert (await complete(ann, done)).json()["id"] == image["id"]  # as long as it is remembered


async def test_the_address_ends_with_the_upload(gateway_settings: GatewaySettings, bus: Bus, picture: Picture) -> None:
    own = gateway_settings.gateway.model_copy(update={"upload_seconds": 2.0})
    s3 = gateway_settings.s3.model_copy(update={"public_endpoint": "https://pictures.example.org"})
    async with running(gateway_settings.model_copy(update={"gateway": own})) as gateway, gateway.client() as ann:
        made = await announce(ann, picture())
        await asyncio.sleep(2.5)  # signatures expire by the object store's clock
        async with httpx2.AsyncClient(trust_env=False) as client:
            late = await client.put(made["upload"]["url"], content=picture())
    async with running(gateway_settings.model_copy(update={"s3": s3})) as gateway, gateway.client() as ann:
        public = await announce(ann, picture())

    assert late.status_code == 403
    assert public["upload"]["url"].startswith(f"https://pictures.example.org/{s3.bucket}/uploads/{public['id']}/file?")
    assert public["upload"]["expires_at"] < public["expires_at"]
    assert f"X-Amz-Expires={s3.signed_url_seconds}" in public["upload"]["url"]


async def test_another_owners_uploads_do_not_exist(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, gateway: Gateway, picture: Picture
) -> None:
    made = await sent(ann, picture())
    path = f"{PATH}/{made['id']}"
    several = await bob.post(f"{PATH}/batch/complete", json={"ids": [made["id"]]})
    for answer in (await bob.get(path), await bob.post(f"{path}/complete"), await bob.delete(path), several):
        assert problem(answer, "not-found")["status"] == 404
        assert "a.png" not in answer.text
    async with gateway.client("ann", ["images:read"]) as reader:
        for answer in (await reader.get(path), await reader.post(PATH, json={}), await reader.delete(path)):
            assert problem(answer, "forbidden")["status"] == 403

    assert (await complete(ann, made)).status_code == 201


async def test_without_s3_the_upload_stays_open(
    gateway: Gateway, gateway_settings: GatewaySettings, ann: httpx2.AsyncClient, picture: Picture
) -> None:
    made = await sent(ann, picture())
    s3 = gateway_settings.s3.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    async with running(gateway_settings.model_copy(update={"s3": s3})) as cut_off, cut_off.client() as client:
        answers = [await complete(client, made), await client.delete(f"{PATH}/{made['id']}")]
        several = await client.post(f"{PATH}/batch/complete", json={"ids": [made["id"]]})

    for answer in (*answers, several):
        assert problem(answer, "object-store-unavailable")["status"] == 503
        assert int(answer.headers["retry-after"]) >= 1
    assert (await show(ann, made))["state"] == "open"
    assert (await complete(ann, made)).status_code == 201


# -- repeated requests -------------------------------------------------------------------------------------------------


async def test_a_repeated_request_announces_once(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    body = {"name": "a.png", "bytes": len(picture())}
    key = {"Idempotency-Key": "one"}
    first = await ann.post(PATH, json=body, headers=key)
    again = await ann.post(PATH, json=body, headers=key)
    other = await ann.post(PATH, json=body | {"name": "b.png"}, headers=key)

    assert (first.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert problem(other, "idempotency-mismatch")["status"] == 422
    assert await rows(db, DirectUpload) == 1

    await send(first.json(), picture())
    completed = [
        await ann.post(f"{first.headers['location']}/complete", headers={"Idempotency-Key": "two"}) for _ in "ab"
    ]
    assert [answer.status_code for answer in completed] == [201, 201]
    assert completed[0].content == completed[1].content


# -- batches -----------------------------------------------------------------------------------------------------------


async def test_a_batch_of_good_and_bad_files(ann: httpx2.AsyncClient, blobs: MinioBlobs, picture: Picture) -> None:
    known = await upload(ann, picture(seed=9))
    good, lost, fake = picture(seed=1), picture(seed=2), b"no picture"
    files: list[Any] = [
        {"name": "good.png", "bytes": len(good), "sha256": sha256(good), "priority": "low"},
        {"name": "dir/bad.png", "bytes": "ten"},
        {"name": "known.png", "bytes": known["bytes"], "sha256": known["sha256"]},
        {"name": "lost.png", "bytes": len(lost)},
        "bare.png",
        {"name": "huge.png", "bytes": 10**12},
        {"name": "fake.png", "bytes": len(fake)},
        {"name": "odd.png", "bytes": 5, "analyze": "x"},
    ]
    answer = await ann.post(f"{PATH}/batch", json={"files": files})
    DirectUploadOutcomes.model_validate(answer.json())
    entries = answer.json()["uploads"]

    assert answer.status_code == 201, answer.text
    assert [(entry["name"], entry["status"]) for entry in entries] == [
        ("good.png", 201),
        ("bad.png", 422),
        ("known.png", 200),
        ("lost.png", 201),
        ("", 422),
        ("huge.png", 413),
        ("fake.png", 201),
        ("odd.png", 422),
    ]
    assert entries[1]["problem"]["errors"][0]["pointer"] == "/files/1/bytes"
    assert entries[4]["problem"]["errors"][0]["pointer"] == "/files/4"
    assert entries[7]["problem"]["errors"][0]["pointer"] == "/files/7/analyze"
    assert entries[0]["upload"]["priority"] == "low"
    assert entries[2]["upload"]["image"]["id"] == known["id"]

    await send(entries[0]["upload"], good)
    await send(entries[6]["upload"], fake)
    ids = [entries[at]["upload"]["id"] for at in (0, 2, 3, 6)]
    ids = [*ids, "none", "01890000-0000-7000-8000-000000000000", ids[0]]
    completed = await ann.post(f"{PATH}/batch/complete", json={"ids": ids})
    CompletionOutcomes.model_validate(completed.json())
    images = completed.json()["images"]

    assert completed.status_code == 201, completed.text
    assert [entry["id"] for entry in images] == ids
    assert [(entry["name"], entry["status"]) for entry in images[:-1]] == [
        ("good.png", images[0]["status"]),
        ("known.png", 200),
        ("lost.png", 409),
        ("fake.png", 415),
        ("", 404),
        ("", 404),
    ]
    assert {images[0]["status"], images[-1]["status"]} == {200, 201}  # the same upload twice: either may be the first
    assert images[0]["image"]["id"] == images[-1]["image"]["id"]
    assert images[0]["image"]["sha256"] == sha256(good)
    assert await objects(blobs) == []

    again = await ann.post(f"{PATH}/batch/complete", json={"ids": ids[:2]})
    assert again.status_code == 200
    assert [entry["image"]["id"] for entry in again.json()["images"]] == [images[0]["image"]["id"], known["id"]]


async def test_a_hundred_files(ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture) -> None:
    pictures = [picture(seed=seed) for seed in range(100)]
    files = [{"name": f"{n}.png", "bytes": len(data)} for n, data in enumerate(pictures)]
    made = (await ann.post(f"{PATH}/batch", json={"files": files})).json()["uploads"]
    async with httpx2.AsyncClient(trust_env=False) as s3:
        for entry, data in zip(made, pictures, strict=True):
            assert (await s3.put(entry["upload"]["upload"]["url"], content=data)).status_code == 200
    ids = [entry["upload"]["id"] for entry in made]
    completed = await ann.post(f"{PATH}/batch/complete", json={"ids": ids})

    assert completed.status_code == 201
    images = completed.json()["images"]
    assert [(entry["id"], entry["status"], entry["name"]) for entry in images] == [
        (upload_id, 201, f"{n}.png") for n, upload_id in enumerate(ids)
    ]
    assert [entry["image"]["sha256"] for entry in images] == [sha256(data) for data in pictures]
    assert await rows(db, Image) == 100


async def test_batches_that_are_none(ann: httpx2.AsyncClient, gateway: Gateway, db: Database) -> None:
    limit = gateway.settings.gateway.batch_files
    batches: list[tuple[str, str, Any]] = [
        ("batch", "files", {"name": "a", "bytes": 1}),
        ("batch/complete", "ids", "x"),
    ]
    for path, field, entry in batches:
        many = await ann.post(f"{PATH}/{path}", json={field: [entry] * (limit + 1)})
        assert problem(many, "too-many-files")["status"] == 413
        assert str(limit) in many.json()["detail"]
        bodies: list[dict[str, Any]] = [{}, {field: []}, {field: "x"}, {field: [entry], "more": 1}]
        for wrong in bodies:
            assert problem(await ann.post(f"{PATH}/{path}", json=wrong), "invalid-body")["status"] == 422

    none = await ann.post(f"{PATH}/batch", json={"files": [{"bytes": 1}, {"name": "a", "bytes": -1}]})
    body = problem(none, "invalid-body")
    assert none.status_code == 422
    assert [entry["status"] for entry in body["uploads"]] == [422, 422]
    unknown = await ann.post(f"{PATH}/batch/complete", json={"ids": ["x", {}]})
    assert [entry["id"] for entry in problem(unknown, "not-found")["images"]] == ["x", "{}"]
    assert await rows(db, DirectUpload) == 0


async def test_times_are_those_of_the_settings(ann: httpx2.AsyncClient, gateway: Gateway, picture: Picture) -> None:
    made = DirectUploadShape.model_validate(await announce(ann, picture()))
    lifetime = timedelta(seconds=gateway.settings.gateway.upload_seconds)

    assert made.expires_at - made.created_at == lifetime == timedelta(days=1)
    assert made.upload is not None
    assert abs(made.upload.expires_at - utc_now() - timedelta(hours=1)) < timedelta(minutes=1)
