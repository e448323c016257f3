"""A picture goes in, raw and as multipart; what was accepted can be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2

from heliograph_common.bus.connection import Bus
from heliograph_gateway.catalog.schemas import ImageShape
from heliograph_gateway.uploads.form.schemas import UploadOutcomes


async def post_raw(client: httpx2.AsyncClient, data: bytes, **parameters: str) -> httpx2.Response:
    return await client.post("/v1/images", content=data, params=parameters, headers={"Content-Type": "image/png"})


async def test_a_raw_body_becomes_an_image(ann: httpx2.AsyncClient, picture: Callable[..., bytes]) -> None:
    created = await post_raw(ann, picture(), name="../../etc/über\x07 pass.png", priority="high")

    assert created.status_code == 201, created.text
    image = created.json()
    ImageShape.model_validate(image)
    assert image["name"] == "über pass.png"
    assert (image["width"], image["height"], image["mime_type"]) == (8, 6, "image/png")
    assert (image["status"], image["progress"], image["priority"]) == ("pending", 20, "high")
    assert created.headers["location"] == f"/v1/images/{image['id']}"
    shown = await ann.get(created.headers["location"])
    assert shown.status_code == 200
    assert shown.json() == image
    assert shown.headers["etag"] == created.headers["etag"]


async def test_the_same_bytes_are_one_image_of_an_owner_and_another_of_another(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, picture: Callable[..., bytes]
) -> None:
    first = await post_raw(ann, picture(), name="a.png")
    again = await post_raw(ann, picture(), name="b.png")
    other = await post_raw(bob, picture(), name="a.png")

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert again.json() == first.json()
    assert other.json()["id"] != first.json()["id"]
    assert other.json()["sha256"] == first.json()["sha256"]


async def test_an_accepted_image_is_announced_and_queued(
    ann: httpx2.AsyncClient, bus: Bus, picture: Callable[..., bytes]
) -> None:
    image = (await post_raw(ann, picture(), priority="low")).json()

    async with asyncio.timeout(10):
        command = await _first(bus, "WORK", "work.render.low")
        event = await _first(bus, "EVENTS", "events.image.stored")
    assert image["id"].encode() in command
    assert image["id"].encode() in event


async def test_several_files_each_for_itself(ann: httpx2.AsyncClient, picture: Callable[..., bytes]) -> None:
    files = [
        ("file", ("one.png", picture(seed=1), "image/png")),
        ("file", ("nota.png", b"%PDF-1.7 no picture", "image/png")),
        ("file", ("../two\x00.png", picture(seed=2), "application/octet-stream")),
    ]
    answer = await ann.post("/v1/images", files=files, data={"priority": "high"})

    assert answer.status_code == 201, answer.text
    UploadOutcomes.model_validate(answer.json())
    one, refused, two = answer.json()["images"]
    assert (one["status"], refused["status"], two["status"]) == (201, 415, 201)
    assert (one["image"]["name"], refused["name"]) == ("one.png", "nota.png")
    assert "/" not in two["image"]["name"]
    assert one["image"]["priority"] == two["image"]["priority"] == "high"
    assert refused["problem"]["type"] == "/problems/unsupported-image"
    listed = (await ann.get("/v1/images")).json()["images"]
    assert [image["id"] for image in listed] == [two["image"]["id"], one["image"]["id"]]


async def test_one_file_as_multipart_is_answered_as_the_image_itself(
    ann: httpx2.AsyncClient, picture: Callable[..., bytes]
) -> None:
    answer = await ann.post("/v1/images", files={"file": ("one.png", picture(), "image/png")})
    again = await ann.post("/v1/images", files={"file": ("one.png", picture(), "image/png")})

    assert (answer.status_code, again.status_code) == (201, 200)
    ImageShape.model_validate(answer.json())


async def test_a_priority_after_the_only_file_counts_for_it(
    ann: httpx2.AsyncClient, picture: Callable[..., bytes]
) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        + picture()
        + b'\r\n--b\r\nContent-Disposition: form-data; name="priority"\r\n\r\nlow\r\n--b--\r\n'
    )
    answer = await ann.post("/v1/images", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})

    assert answer.status_code == 201, answer.text
    assert answer.json()["priority"] == "low"


async def _first(bus: Bus, stream: str, subject: str) -> bytes:
    while True:
        try:
            found: Any = await bus.jetstream.get_msg(stream, seq=1, subject=subject, next=True)
        except Exception:  # noqa: BLE001 - not there yet
            await asyncio.sleep(0.05)
        else:
            return bytes(found.data)
