"""Display sizes are replaced as a whole; wrong ones are named."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from tests.integration.gateway.support import problem

from heliograph_gateway.display_sizes.schemas import DisplaySizes

SIZE = {
    "name": "wide",
    "kind": "variant",
    "width": 1920,
    "height": 1080,
    "fit": "cover",
    "format": "webp",
    "quality": 80,
}


PATH = "/v1/settings/display-sizes"


async def test_display_sizes_can_be_replaced(ann: httpx2.AsyncClient, admin: httpx2.AsyncClient) -> None:
    before = await ann.get(PATH)
    tag = before.headers["etag"]
    wanted = {"sizes": [{**SIZE, "name": "small", "kind": "thumbnail", "width": 100, "height": 100}, SIZE]}
    put = await admin.put(PATH, json=wanted, headers={"If-Match": tag})
    late = await admin.put(PATH, json=wanted, headers={"If-Match": tag})

    DisplaySizes.model_validate(before.json())
    assert put.status_code == 200, put.text
    assert put.json() == wanted
    assert (await ann.get(PATH, headers={"If-None-Match": put.headers["etag"]})).status_code == 304
    problem(late, "precondition-failed")
    refused = await ann.put(PATH, json=wanted)
    assert refused.status_code == 403


WRONG_SIZES: list[tuple[list[Any], str]] = [
    ([], "/sizes"),
    ([SIZE] * 2, "/sizes/1/name"),
    ([{**SIZE, "name": f"s{n}"} for n in range(21)], "/sizes"),
    ([{**SIZE, "name": "../up"}], "/sizes/0/name"),
    ([{**SIZE, "name": "original"}], "/sizes/0/name"),
    ([SIZE, {**SIZE, "name": "analysis"}], "/sizes/1/name"),
    ([{**SIZE, "width": 0}], "/sizes/0/width"),
    ([{**SIZE, "height": 16_385}], "/sizes/0/height"),
    ([{**SIZE, "width": "100"}], "/sizes/0/width"),
    ([{**SIZE, "quality": 101}], "/sizes/0/quality"),
    ([{**SIZE, "format": "bmp"}], "/sizes/0/format"),
    ([{**SIZE, "colour": "red"}], "/sizes/0/colour"),
]


async def test_wrong_display_sizes_are_named(admin: httpx2.AsyncClient) -> None:
    before = (await admin.get(PATH)).json()
    for sizes, pointer in WRONG_SIZES:
        answer = await admin.put(PATH, json={"sizes": sizes})
        assert answer.status_code == 422, pointer
        assert pointer in [error["pointer"] for error in problem(answer, "invalid-body")["errors"]]

    assert (await admin.get(PATH)).json() == before


@pytest.mark.usefixtures("no_garbage_collection")
async def test_bodies_that_are_no_json(admin: httpx2.AsyncClient) -> None:
    as_json = {"Content-Type": "application/json"}
    for body, slug in ((b"{", "invalid-json"), (b"\xff", "invalid-json"), (b" " * 70_000, "body-too-large")):
        problem(await admin.put(PATH, content=body, headers=as_json), slug)
    problem(await admin.put(PATH, content=b"[" * 50_000, headers=as_json), "invalid-json")
    problem(await admin.put(PATH, content=b"a=b", headers={"Content-Type": "text/plain"}), "unsupported-media-type")


async def test_two_writers_of_display_sizes_do_not_mix(admin: httpx2.AsyncClient) -> None:
    tag = (await admin.get(PATH)).headers["etag"]
    answers = await asyncio.gather(
        *(admin.put(PATH, json={"sizes": [{**SIZE, "name": f"size-{n}"}]}, headers={"If-Match": tag}) for n in range(4))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
