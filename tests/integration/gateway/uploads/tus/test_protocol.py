"""Resumable uploads by the letter of tus 1.0: core, creation with all that belongs to it, checksum, termination."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from tests.integration.gateway.support import Gateway, problem, running
from tests.integration.gateway.uploads.tus.support import BYTES, ROOT, VERSION, Tus, image_at, metadata, stored_objects

from heliograph_common.bus.connection import Bus
from heliograph_gateway.settings import GatewaySettings

Picture = Callable[..., bytes]


# -- core and creation -------------------------------------------------------------------------------------------------


async def test_a_picture_in_three_parts(tus: Tus, ann: httpx2.AsyncClient, gateway: Gateway, picture: Picture) -> None:
    content = picture(40, 30)
    created = await tus.post(
        {"Upload-Length": str(len(content)), **metadata(filename="beach.png", priority="high", id="7")}
    )
    url = created.headers["location"]
    assert created.status_code == 201
    assert created.headers["tus-resumable"] == "1.0.0"
    assert created.headers["upload-expires"].endswith("GMT")

    offsets = [await tus.offset(url)]
    for begin, end in ((0, 10), (10, 50)):
        added = await tus.patch(url, begin, content[begin:end])
        assert (added.status_code, added.headers["upload-offset"]) == (204, str(end))
        assert added.headers["upload-expires"].endswith("GMT")
        assert "heliograph-image" not in added.headers
        offsets.append(await tus.offset(url))
    assert offsets == [0, 10, 50]
    assert len(await stored_objects(gateway.settings)) == 2
    assert (await ann.get("/v1/images")).json()["images"] == []

    last = await tus.patch(url, 50, content[50:])
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(content)))
    image = await image_at(ann, last, content)
    assert (image["name"], image["priority"], image["source"]) == ("beach.png", "high", "upload")

    head = await tus.head(url)
    assert head.headers["upload-offset"] == head.headers["upload-length"] == str(len(content))
    assert head.headers["heliograph-image"] == image["links"]["self"]
    assert head.headers["cache-control"] == "no-store"
    assert await stored_objects(gateway.settings) == []


async def test_what_an_upload_is_can_be_read(tus: Tus, ann: httpx2.AsyncClient, picture: Picture) -> None:
    said = metadata(name="a/b ü.png", odd="x") | {"Upload-Length": "99"}
    said["Upload-Metadata"] += ",is_confidential"
    created = await tus.post(said)
    url = created.headers["location"]
    head, shown = await tus.head(url), await ann.get(url)

    assert head.headers["upload-metadata"] == said["Upload-Metadata"]
    assert (head.status_code, head.content, head.headers["upload-length"]) == (200, b"", "99")
    assert head.headers["upload-expires"] == created.headers["upload-expires"]
    body = shown.json()
    assert (body["state"], body["offset"], body["length"], body["name"]) == ("open", 0, 99, "b ü.png")
    assert body["links"] == {"self": url}


async def test_all_at_once_needs_no_part(tus: Tus, ann: httpx2.AsyncClient, picture: Picture) -> None:
    content = picture()
    answer = await tus.post({"Upload-Length": str(len(content))}, content)

    assert answer.status_code == 201
    assert answer.headers["upload-offset"] == str(len(content))
    assert "upload-expires" not in answer.headers
    await image_at(ann, answer, content)
    assert await tus.offset(answer.headers["location"]) == len(content)


async def test_the_first_bytes_come_with_the_creation(tus: Tus, ann: httpx2.AsyncClient, picture: Picture) -> None:
    content = picture()
    answer = await tus.post({"Upload-Length": str(len(content))}, content[:30])
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "30")

    last = await tus.patch(answer.headers["location"], 30, content[30:])
    await image_at(ann, last, content)


async def test_the_length_can_come_last(tus: Tus, ann: httpx2.AsyncClient, picture: Picture) -> None:
    content = picture()
    size = len(content)
    answer = await tus.post({"Upload-Defer-Length": "1"}, content[:30])
    url = answer.headers["location"]
    head = await tus.head(url)
    assert (head.headers["upload-defer-length"], head.headers["upload-offset"]) == ("1", "30")
    assert "upload-length" not in head.headers

    await tus.patch(url, 30, content[30:60])
    assert (await ann.get(url)).json()["length"] is None
    await tus.patch(url, 60, content[60:70], Upload_Length=str(size))
    assert (await tus.head(url)).headers["upload-length"] == str(size)
    assert "upload-defer-length" not in (await tus.head(url)).headers
    changed = await tus.patch(url, 70, b"", Upload_Length=str(size + 1))
    assert problem(changed, "invalid-parameter")["errors"][0]["parameter"] == "Upload-Length"
    await image_at(ann, await tus.patch(url, 70, content[70:]), content)

    all_sent = await tus.post({"Upload-Defer-Length": "1"}, picture(seed=1))
    told = await tus.patch(
        all_sent.headers["location"], len(picture(seed=1)), b"", Upload_Length=str(len(picture(seed=1)))
    )
    await image_at(ann, told, picture(seed=1))


async def test_the_same_picture_again_is_the_same_image(tus: Tus, picture: Picture) -> None:
    content = picture()
    answers = [await tus.post({"Upload-Length": str(len(content))}, content) for _ in range(2)]
    assert answers[0].headers["heliograph-image"] == answers[1].headers["heliograph-image"]
    assert answers[0].headers["location"] != answers[1].headers["location"]


async def test_an_empty_file_is_refused_at_once(tus: Tus) -> None:
    assert problem(await tus.post({"Upload-Length": "0"}), "empty-image")["status"] == 422


CREATIONS: list[tuple[dict[str, str], bytes, str]] = [
    ({}, b"", "invalid-parameter"),
    ({"Upload-Length": "-1"}, b"", "invalid-parameter"),
    ({"Upload-Length": "1_0"}, b"", "invalid-parameter"),
    ({"Upload-Length": "ten"}, b"", "invalid-parameter"),
    ({"Upload-Length": "9" * 40}, b"", "invalid-parameter"),
    ({"Upload-Length": "10", "Upload-Defer-Length": "1"}, b"", "invalid-parameter"),
    ({"Upload-Defer-Length": "2"}, b"", "invalid-parameter"),
    ({"Upload-Length": "10", "Upload-Concat": "whole"}, b"", "invalid-parameter"),
    ({"Upload-Length": "10", "Upload-Concat": f"final;{ROOT}/{uuid4()}"}, b"", "invalid-parameter"),
    ({"Upload-Length": "10", "Upload-Metadata": "name ???"}, b"", "invalid-parameter"),
    ({"Upload-Length": "10", **metadata(priority="urgent")}, b"", "invalid-parameter"),
    ({"Upload-Length": "10", **metadata(analyze="fod")}, b"", "invalid-parameter"),
    ({"Upload-Length": "10", "Upload-Checksum": "crc32 AAAA"}, b"0123", "invalid-parameter"),
    ({"Upload-Length": str(51 << 20)}, b"", "body-too-large"),
    ({"Upload-Length": "3"}, b"0123", "body-too-large"),
    ({"Upload-Length": "10", "Content-Type": "image/png"}, b"0123", "unsupported-media-type"),
    ({"Upload-Length": "4"}, b"0123", "unsupported-image"),
]


async def test_an_analysis_can_be_asked_for(tus: Tus, ann: httpx2.AsyncClient, picture: Picture) -> None:
    answer = await tus.post({"Upload-Length": str(len(picture())), **metadata(analyze="food")}, picture())
    image = (await ann.get(answer.headers["heliograph-image"])).json()
    assert image["stages"]["analysis"] == "pending"


async def test_wrong_creations_are_refused_and_leave_nothing(
    tus: Tus, ann: httpx2.AsyncClient, gateway: Gateway
) -> None:
    for headers, body, slug in CREATIONS:
        answer = await tus.post(headers, body)
        assert problem(answer, slug), headers
        assert "location" not in answer.headers
        assert answer.headers["tus-resumable"] == "1.0.0"
    assert await stored_objects(gateway.settings) == []
    assert (await ann.get("/v1/images")).json()["images"] == []


async def test_wrong_patches_change_nothing(tus: Tus, picture: Picture) -> None:
    content = picture()
    url = await tus.begin(len(content))
    await tus.patch(url, 0, content[:20])

    for offset in (0, 19, 21, 400):
        answer = await tus.patch(url, offset, b"x")
        problem(answer, "offset-mismatch")
        assert answer.headers["upload-offset"] == "20"
    refused = [
        (await tus.patch(url, 20, b"x", Content_Type="image/png"), "unsupported-media-type"),
        (await tus.patch(url, 20, content), "body-too-large"),
        (await tus.patch(url, 20, b"x", Upload_Length=str(len(content) + 1)), "invalid-parameter"),
        (await tus.patch(url, 20, b"x", Upload_Checksum="sha1"), "invalid-parameter"),
        (await tus.patch(f"{ROOT}/{uuid4()}", 0, b"x"), "not-found"),
        (await tus.patch(f"{ROOT}/elsewhere", 0, b"x"), "not-found"),
        (await tus.http.patch(url, content=b"x", headers={**VERSION, **BYTES}), "invalid-parameter"),
        (await tus.http.patch(url, content=b"x", headers={**VERSION, "Upload-Offset": "20"}), "unsupported-media-type"),
    ]
    for answer, slug in refused:
        problem(answer, slug)
    assert await tus.offset(url) == 20
    assert (await tus.patch(url, 20, content[20:])).status_code == 204


async def test_more_than_was_announced_is_refused_however_it_comes(tus: Tus, picture: Picture) -> None:
    url = await tus.begin(10)

    async def chunks() -> Any:
        for _ in range(4):
            yield b"0123"

    headers = {**VERSION, **BYTES, "Upload-Offset": "0"}
    answer = await tus.http.patch(url, content=chunks(), headers=headers)
    assert problem(answer, "body-too-large")["limit_bytes"] == 10
    assert await tus.offset(url) == 0


# -- versions, abilities, methods, other origins -----------------------------------------------------------------------


async def test_other_versions_are_not_spoken(tus: Tus) -> None:
    url = await tus.begin(10)
    for version in ({}, {"Tus-Resumable": "0.2.2"}):
        for method, path in (("POST", ROOT), ("PATCH", url), ("DELETE", url)):
            answer = await tus.http.request(
                method, path, headers={**version, "Upload-Length": "10", "Upload-Offset": "0"}
            )
            problem(answer, "tus-version")
            assert answer.headers["tus-version"] == "1.0.0"
    assert (await tus.http.head(url, headers={"Tus-Resumable": "0.2.2"})).status_code == 412
    assert await tus.offset(url) == 0


async def test_abilities_are_told_to_anyone(gateway: Gateway) -> None:
    async with gateway.client(token="") as anyone:
        for path in (ROOT, f"{ROOT}/{uuid4()}"):
            answer = await anyone.options(path, headers={"Tus-Resumable": "0.2.2"})
            assert answer.status_code == 204
            assert answer.headers["tus-version"] == "1.0.0"
            assert answer.headers["tus-max-size"] == str(gateway.settings.limits.file_bytes)
            assert answer.headers["tus-checksum-algorithm"] == "sha1,sha256,md5"
            assert set(answer.headers["tus-extension"].split(",")) == {
                "creation",
                "creation-with-upload",
                "creation-defer-length",
                "expiration",
                "checksum",
                "termination",
                "concatenation",
            }


async def test_a_client_that_has_only_post_can_name_another_method(tus: Tus, picture: Picture) -> None:
    content = picture()
    url = await tus.begin(len(content))
    headers = {**VERSION, **BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH", "Idempotency-Key": "k"}
    assert (await tus.http.post(url, content=content[:9], headers=headers)).headers["upload-offset"] == "9"
    head = await tus.http.post(url, headers={**VERSION, "X-HTTP-Method-Override": "HEAD"})
    assert (head.status_code, head.headers["upload-offset"]) == (200, "9")
    ended = await tus.http.post(url, headers={**VERSION, "X-HTTP-Method-Override": "DELETE"})
    assert ended.status_code == 204
    assert (await tus.http.post(url, headers={**VERSION, "X-HTTP-Method-Override": "BREW"})).status_code == 405
    assert (await tus.head(url)).status_code == 404
    elsewhere = await tus.http.get("/v1/images", headers={"X-HTTP-Method-Override": "PATCH"})
    assert elsewhere.status_code == 200


async def test_pages_of_other_origins(gateway_settings: GatewaySettings, bus: Bus) -> None:
    own = gateway_settings.gateway.model_copy(update={"cors_origins": ["https://app.example"]})
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,tus-resumable,upload-offset,upload-checksum,content-type",
    }
    async with running(gateway_settings.model_copy(update={"gateway": own})) as gateway, gateway.client() as client:
        preflight = await client.options(f"{ROOT}/{uuid4()}", headers=asked)
        abilities = await client.options(ROOT, headers={"Origin": "https://app.example"})
        created = await client.post(ROOT, headers={**VERSION, "Upload-Length": "9", "Origin": "https://app.example"})
        refused = await client.post(ROOT, headers={"Upload-Length": "9", "Origin": "https://app.example"})

    assert preflight.status_code == 200
    assert {"PATCH", "HEAD", "DELETE"} <= set(preflight.headers["access-control-allow-methods"].split(", "))
    assert "tus-version" in abilities.headers
    exposed = created.headers["access-control-expose-headers"].lower()
    for name in ("location", "upload-offset", "upload-length", "upload-expires", "tus-version", "heliograph-image"):
        assert name in exposed
    assert refused.status_code == 412
    assert {answer.headers["access-control-allow-origin"] for answer in (preflight, abilities, created, refused)} == {
        "https://app.example"
    }


# -- checksum ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_bytes_are_held_to_their_checksum(
    tus: Tus, ann: httpx2.AsyncClient, picture: Picture, algorithm: str
) -> None:
    content = picture()
    url = await tus.begin(len(content))

    def said(body: bytes) -> str:
        digest = hashlib.new(algorithm, body, usedforsecurity=False).digest()
        return f"{algorithm} {base64.b64encode(digest).decode()}"

    wrong = await tus.patch(url, 0, content[:40], Upload_Checksum=said(content[:39]))
    assert problem(wrong, "tus-checksum-mismatch")["status"] == 460
    assert await tus.offset(url) == 0
    right = await tus.patch(url, 0, content[:40], Upload_Checksum=said(content[:40]))
    assert (right.status_code, right.headers["upload-offset"]) == (204, "40")
    broken = await tus.patch(url, 40, content[40:], Upload_Checksum=said(b""))
    problem(broken, "tus-checksum-mismatch")
    await image_at(ann, await tus.patch(url, 40, content[40:], Upload_Checksum=said(content[40:])), content)


async def test_a_creation_is_held_to_its_checksum_too(tus: Tus, ann: httpx2.AsyncClient, picture: Picture) -> None:
    content = picture()
    size = {"Upload-Length": str(len(content))}
    digest = base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
    problem(await tus.post({**size, "Upload-Checksum": f"sha1 {digest}"}, content[:-1] + b"x"), "tus-checksum-mismatch")
    assert (await ann.get("/v1/images")).json()["images"] == []
    assert (await tus.post({**size, "Upload-Checksum": f"sha1 {digest}"}, content)).status_code == 201


# -- termination -------------------------------------------------------------------------------------------------------


async def test_an_upload_can_be_ended(tus: Tus, gateway: Gateway, picture: Picture) -> None:
    content = picture()
    url = await tus.begin(len(content))
    await tus.patch(url, 0, content[:20])
    assert len(await stored_objects(gateway.settings)) == 1

    assert (await tus.delete(url)).status_code == 204
    assert await stored_objects(gateway.settings) == []
    head = await tus.head(url)
    assert head.status_code == 404
    assert "upload-offset" not in head.headers
    problem(await tus.patch(url, 20, content[20:]), "not-found")
    problem(await tus.delete(url), "not-found")


async def test_ending_a_finished_upload_leaves_the_image(tus: Tus, ann: httpx2.AsyncClient, picture: Picture) -> None:
    content = picture()
    created = await tus.post({"Upload-Length": str(len(content))}, content)
    assert (await tus.delete(created.headers["location"])).status_code == 204
    await image_at(ann, created, content)


# -- the same creation again -------------------------------------------------------------------------------------------


async def test_a_creation_with_an_idempotency_key_happens_once(tus: Tus, picture: Picture) -> None:
    content = picture()
    for body in (b"", content[:20], content):
        size, key = {"Upload-Length": str(len(content))}, {"Idempotency-Key": str(uuid4())}
        first = await tus.post({**size, **key}, body)
        again = await tus.post({**size, **key}, body)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["tus-resumable"] == "1.0.0"
        for name in ("location", "upload-offset"):
            assert again.headers[name] == first.headers[name]
        problem(await tus.post({"Upload-Length": "999", **key}, body), "idempotency-mismatch")
        problem(await tus.post({**size, **key, **metadata(filename="b.png")}, body), "idempotency-mismatch")
