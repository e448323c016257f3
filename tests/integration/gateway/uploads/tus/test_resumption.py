"""Resumable uploads when something breaks: connections, gateways, servers, pictures, patience."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import httpx2
from sqlalchemy import delete, func, insert, select, update
from tests.corpus.pictures import png
from tests.integration.gateway.support import Gateway, problem, running
from tests.integration.gateway.uploads.tus.support import (
    ROOT,
    VERSION,
    Tus,
    cut_patch,
    image_at,
    metadata,
    stored_objects,
    until,
)

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_common.db.upload_models import TusPart, TusUpload
from heliograph_gateway.settings import GatewaySettings
from heliograph_gateway.uploads.collector import UploadCollector
from heliograph_gateway.uploads.tus.checks import MAX_PARTS

Picture = Callable[..., bytes]


# -- connections -------------------------------------------------------------------------------------------------------


async def test_what_arrived_before_the_cut_counts(
    tus: Tus, ann: httpx2.AsyncClient, gateway: Gateway, picture: Picture
) -> None:
    content = picture()
    url = await tus.begin(len(content))
    await cut_patch(gateway.port, gateway.token(), url, 0, content[:33], claimed=len(content))
    await until(tus, url, 33)
    await cut_patch(gateway.port, gateway.token(), url, 33, content[33:40], claimed=len(content) - 33)
    await until(tus, url, 40)
    await image_at(ann, await tus.patch(url, 40, content[40:]), content)


async def test_a_client_that_falls_silent_is_told_how_far_it_came(
    tus: Tus, ann: httpx2.AsyncClient, gateway: Gateway, picture: Picture
) -> None:
    content = picture()
    url = await tus.begin(len(content))
    told, nothing = await asyncio.gather(
        cut_patch(gateway.port, gateway.token(), url, 0, content[:33], claimed=len(content), stay=True),
        cut_patch(gateway.port, gateway.token(), await tus.begin(9), 0, b"", claimed=9, stay=True),
    )
    assert told.startswith(b"HTTP/1.1 204")
    assert b"upload-offset: 33\r\n" in told
    assert b"connection: close" in told
    assert nothing.startswith(b"HTTP/1.1 408")
    assert await tus.offset(url) == 33
    await image_at(ann, await tus.patch(url, 33, content[33:]), content)


async def test_a_cut_body_with_a_checksum_counts_for_nothing(tus: Tus, gateway: Gateway, picture: Picture) -> None:
    content = picture()
    url = await tus.begin(len(content))
    checksum = f"Upload-Checksum: sha1 {27 * 'A'}=\r\n"
    claimed = len(content)
    answer = await cut_patch(
        gateway.port, gateway.token(), url, 0, content[:33], claimed=claimed, stay=True, more=checksum
    )
    assert answer.startswith(b"HTTP/1.1 408")
    assert await tus.offset(url) == 0
    assert await stored_objects(gateway.settings) == []


async def test_of_two_patches_at_once_one_counts(
    tus: Tus, ann: httpx2.AsyncClient, gateway: Gateway, picture: Picture
) -> None:
    content = picture(60, 40)
    url = await tus.begin(len(content))
    for begin, end in ((0, 50), (50, len(content))):
        answers = await asyncio.gather(*(tus.patch(url, begin, content[begin:end]) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409, 409]
        assert await tus.offset(url) == end
        left = 1 if end == 50 else 0
        assert len(await stored_objects(gateway.settings)) == left, "losers take their objects with them"
    winner = next(answer for answer in answers if answer.status_code == 204)
    await image_at(ann, winner, content)
    assert len((await ann.get("/v1/images")).json()["images"]) == 1


async def test_of_two_different_endings_at_once_one_is_an_image(
    tus: Tus, ann: httpx2.AsyncClient, picture: Picture
) -> None:
    one, other = picture(seed=1, level=0), picture(seed=2, level=0)
    assert one[:33] == other[:33], "signature and header"
    url = await tus.begin(len(one))
    await tus.patch(url, 0, one[:33])
    answers = await asyncio.gather(*(tus.patch(url, 33, content[33:]) for content in (one, other) * 3))
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409, 409, 409]
    winner = next(answer for answer in answers if answer.status_code == 204)
    [image] = (await ann.get("/v1/images")).json()["images"]
    assert winner.headers["heliograph-image"] == image["links"]["self"]


# -- gateways and servers ----------------------------------------------------------------------------------------------


async def test_any_gateway_goes_on_where_another_was(
    tus: Tus, ann: httpx2.AsyncClient, gateway_settings: GatewaySettings, picture: Picture
) -> None:
    content = picture(60, 40)
    url = await tus.begin(len(content))
    async with running(gateway_settings) as second, second.client() as there:
        gateways = [tus, Tus(there)]
        for turn, begin in enumerate(range(0, len(content), 30)):
            answer = await gateways[turn % 2].patch(url, begin, content[begin : begin + 30])
            assert answer.status_code == 204
            assert await gateways[(turn + 1) % 2].offset(url) == min(begin + 30, len(content))
        await image_at(there, answer, content)
    assert (await tus.head(url)).headers["heliograph-image"] == answer.headers["heliograph-image"]


async def test_s3_away_for_the_last_bytes(
    tus: Tus,
    ann: httpx2.AsyncClient,
    gateway_settings: GatewaySettings,
    nobody: int,
    picture: Picture,
) -> None:
    content = picture()
    url = await tus.begin(len(content))
    await tus.patch(url, 0, content[:60])
    s3 = gateway_settings.s3.model_copy(update={"endpoint": f"http://127.0.0.1:{nobody}"})
    async with running(gateway_settings.model_copy(update={"s3": s3})) as cut_off, cut_off.client() as there:
        for begin, end in ((60, len(content)), (60, 70)):
            answer = await Tus(there).patch(url, begin, content[begin:end])
            problem(answer, "object-store-unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        whole = await Tus(there).post({"Upload-Length": str(len(content))}, content)
        problem(whole, "object-store-unavailable")
        assert "location" not in whole.headers
        ended = await tus.begin(9)
        assert (await Tus(there).delete(ended)).status_code == 204
        assert (await Tus(there).head(ended)).status_code == 410
    assert await tus.offset(url) == 60
    assert (await ann.get("/v1/images")).json()["images"] == []
    await image_at(ann, await tus.patch(url, 60, content[60:]), content)


# -- pictures that are refused -----------------------------------------------------------------------------------------


async def test_a_refused_picture_is_refused_for_good(tus: Tus, ann: httpx2.AsyncClient, gateway: Gateway) -> None:
    content = b"%PDF-1.7 " + bytes(50)
    url = await tus.begin(len(content), **{"Upload-Metadata": metadata(filename="a.png")["Upload-Metadata"]})
    await tus.patch(url, 0, content[:20])
    refused = problem(await tus.patch(url, 20, content[20:]), "unsupported-image")
    assert refused["status"] == 415
    assert await stored_objects(gateway.settings) == []

    head = await tus.head(url)
    assert head.status_code == 410
    assert "upload-offset" not in head.headers
    assert head.headers["cache-control"] == "no-store"
    shown = problem(await ann.get(url), "upload-refused")
    assert shown["refusal"] == refused
    problem(await tus.patch(url, 20, content[20:]), "upload-refused")
    assert (await tus.delete(url)).status_code == 204
    assert (await tus.head(url)).status_code == 404


async def test_a_picture_over_a_limit_is_refused(gateway_settings: GatewaySettings, bus: Bus) -> None:
    limits = gateway_settings.limits.model_copy(update={"pixels": 100, "file_bytes": 400})
    async with running(gateway_settings.model_copy(update={"limits": limits})) as small, small.client() as client:
        tus, content = Tus(client), png(20, 20)
        url = await tus.begin(len(content))
        answer = await tus.patch(url, 0, content)
        problem(answer, "image-too-large")
        assert (await tus.head(url)).status_code == 410

        deferred = (await tus.post({"Upload-Defer-Length": "1"}, bytes(300))).headers["location"]
        problem(await tus.patch(deferred, 300, bytes(101)), "body-too-large")
        problem(await tus.patch(deferred, 300, b"", Upload_Length="401"), "body-too-large")
        assert await tus.offset(deferred) == 300


# -- patience ----------------------------------------------------------------------------------------------------------


async def _age(db: Database, seconds: float) -> None:
    async with db.transaction() as connection:
        await connection.execute(update(TusUpload).values(expires_at=TusUpload.expires_at - timedelta(seconds=seconds)))


async def test_what_nobody_finishes_is_collected(tus: Tus, gateway: Gateway, db: Database, picture: Picture) -> None:
    content = picture()
    url = await tus.begin(len(content))
    await tus.patch(url, 0, content[:20])
    done = (await tus.post({"Upload-Length": str(len(content))}, content)).headers["location"]
    await _age(db, gateway.settings.gateway.upload_seconds)

    problem(await tus.patch(url, 20, content[20:]), "upload-expired")
    head = await tus.head(url)
    assert head.status_code == 410
    assert "upload-offset" not in head.headers
    assert (await tus.head(done)).status_code == 410

    await _age(db, 3600)
    kept = await tus.begin(len(content))
    await tus.patch(kept, 0, content[:20])
    blobs = MinioBlobs(gateway.settings.s3)
    try:
        assert await UploadCollector(db, blobs, (TusUpload,)).collect_expired() == 2
    finally:
        await blobs.close()
    [left] = await stored_objects(gateway.settings)
    assert kept.rpartition("/")[2] in left
    assert (await tus.head(url)).status_code == 404
    async with db.transaction() as connection:
        assert (await connection.execute(select(func.count()).select_from(TusPart))).scalar_one() == 1


async def test_each_request_gives_an_upload_more_time(tus: Tus, gateway: Gateway, db: Database) -> None:
    url = await tus.begin(100)
    await _age(db, gateway.settings.gateway.upload_seconds - 60)
    before = (await tus.http.get(url)).json()["expires_at"]
    await tus.patch(url, 0, b"x")
    assert (await tus.http.get(url)).json()["expires_at"] > before


async def test_very_many_parts_are_refused_but_the_last(
    tus: Tus, ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    content = picture()
    url = await tus.begin(len(content))
    await tus.patch(url, 0, content[:20])
    async with db.transaction() as connection:  # as if it had come in as many
        [row] = (await connection.execute(select(TusPart.__table__))).all()
        empty = [{**row._mapping, "position": -number, "bytes": 0, "key": "none"} for number in range(1, MAX_PARTS)]
        await connection.execute(insert(TusPart), empty)

    refused = problem(await tus.patch(url, 20, content[20:30]), "too-many-parts")
    assert refused["limit_parts"] == MAX_PARTS
    assert await tus.offset(url) == 20
    async with db.transaction() as connection:
        await connection.execute(delete(TusPart).where(TusPart.position < 0))
    await image_at(ann, await tus.patch(url, 20, content[20:]), content)


# -- others ------------------------------------------------------------------------------------------------------------


async def test_an_upload_of_someone_else_is_not_there(tus: Tus, bob: httpx2.AsyncClient, picture: Picture) -> None:
    content = picture()
    url = await tus.begin(len(content))
    other = Tus(bob)
    assert (await other.head(url)).status_code == 404
    problem(await bob.get(url), "not-found")
    problem(await other.patch(url, 0, content), "not-found")
    problem(await other.delete(url), "not-found")
    assert await tus.offset(url) == 0


async def test_scopes(gateway: Gateway, tus: Tus) -> None:
    url = await tus.begin(9)
    async with gateway.client(scopes=("images:read",)) as reader, gateway.client(scopes=("images:write",)) as writer:
        for method, path in (("POST", ROOT), ("PATCH", url), ("GET", url), ("DELETE", url)):
            headers = {**VERSION, "Upload-Length": "9", "Upload-Offset": "0"}
            problem(await reader.request(method, path, headers=headers), "forbidden")
        assert (await Tus(writer).patch(url, 0, b"x")).status_code == 204
        assert await Tus(writer).offset(url) == 1
