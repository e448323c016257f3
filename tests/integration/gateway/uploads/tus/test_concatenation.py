"""Partial uploads become one image, in the order in which the final one names them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import httpx2
from tests.integration.gateway.support import Gateway, problem, running
from tests.integration.gateway.uploads.tus.support import ROOT, Tus, image_at, metadata, stored_objects

from heliograph_common.bus.connection import Bus
from heliograph_gateway.settings import GatewaySettings

Picture = Callable[..., bytes]


async def part(tus: Tus, content: bytes, *, with_creation: bool = False) -> str:
    """A partial upload that is all there."""
    created = await tus.post(
        {"Upload-Concat": "partial", "Upload-Length": str(len(content))}, content if with_creation else b""
    )
    url = str(created.headers["location"])
    if not with_creation:
        middle = len(content) // 2
        await tus.patch(url, 0, content[:middle])
        assert (await tus.patch(url, middle, content[middle:])).status_code == 204
    return url


def final(*urls: str) -> dict[str, str]:
    """The header that makes one of ``urls``."""
    return {"Upload-Concat": f"final;{' '.join(urls)}"}


async def test_parts_sent_side_by_side_are_one_picture(
    tus: Tus, ann: httpx2.AsyncClient, gateway: Gateway, picture: Picture
) -> None:
    content = picture(60, 40)
    pieces = [content[:40], content[40:90], content[90:]]
    urls = await asyncio.gather(*(part(tus, piece, with_creation=piece is pieces[1]) for piece in pieces))
    for url, piece in zip(urls, pieces, strict=True):
        head = await tus.head(url)
        assert head.headers["upload-concat"] == "partial"
        assert head.headers["upload-offset"] == head.headers["upload-length"] == str(len(piece))
        assert "heliograph-image" not in head.headers
    assert (await ann.get("/v1/images")).json()["images"] == []

    absolute = [urls[0], f"http://127.0.0.1:{gateway.port}{urls[1]}", urls[2]]
    made = await tus.post({**final(*absolute), **metadata(filename="whole.png", priority="low")})
    assert made.status_code == 201
    image = await image_at(ann, made, content)
    assert (image["name"], image["priority"]) == ("whole.png", "low")

    head = await tus.head(made.headers["location"])
    assert head.headers["upload-concat"] == final(*absolute)["Upload-Concat"]
    assert head.headers["upload-offset"] == head.headers["upload-length"] == str(len(content))
    refused = await tus.patch(made.headers["location"], len(content), b"")
    assert problem(refused, "upload-final")["status"] == 403

    again = await tus.post(final(*urls))  # as after a lost answer
    assert again.headers["heliograph-image"] == made.headers["heliograph-image"]
    for url in urls:
        assert (await tus.delete(url)).status_code == 204
    assert await stored_objects(gateway.settings) == []
    assert (await tus.head(made.headers["location"])).status_code == 200


async def test_wrong_concatenations(
    tus: Tus, ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, picture: Picture
) -> None:
    content = picture()
    whole = await part(tus, content)
    begun = await tus.begin(9, Upload_Concat="partial")
    deferred = (await tus.post({"Upload-Concat": "partial", "Upload-Defer-Length": "1"}, b"xy")).headers["location"]
    plain = await tus.begin(9)
    bobs = await part(Tus(bob), content)
    ended = await part(tus, content)
    await tus.delete(ended)
    for urls, slug in (
        ([whole, begun], "conflict"),
        ([whole, deferred], "conflict"),
        ([whole, plain], "invalid-parameter"),
        ([whole, "/v1/images/1"], "invalid-parameter"),
        ([whole, "http://[broken"], "invalid-parameter"),
        ([whole, f"{ROOT}/{uuid4()}"], "not-found"),
        ([whole, bobs], "not-found"),
        ([whole, ended], "not-found"),
        ([begun[:-1]], "invalid-parameter"),
    ):
        problem(await tus.post(final(*urls)), slug)
    problem(await tus.post(final(whole), content), "invalid-parameter")
    assert (await ann.get("/v1/images")).json()["images"] == []
    assert (await tus.post(final(whole))).status_code == 201


async def test_parts_that_make_no_picture_are_refused_together(
    gateway_settings: GatewaySettings, bus: Bus, picture: Picture
) -> None:
    content = picture()
    limits = gateway_settings.limits.model_copy(update={"file_bytes": 2 * len(content)})
    async with running(gateway_settings.model_copy(update={"limits": limits})) as gateway, gateway.client() as client:
        tus = Tus(client)
        first, second = await part(tus, content[:50]), await part(tus, content[50:])
        problem(await tus.post(final(second, first)), "unsupported-image")
        too_long = problem(await tus.post(final(*[first, second] * 3)), "body-too-large")
        assert too_long["limit_bytes"] == 2 * len(content)
        assert (await tus.post(final(first, second))).status_code == 201
        nothing = await tus.begin(0, Upload_Concat="partial")
        problem(await tus.post(final(nothing)), "empty-image")
