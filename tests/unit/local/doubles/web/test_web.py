"""The double of the web, asked by a client that trusts it."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from heliograph_common.ingest.sniff import sniff_bytes
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.web import WebDouble


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        served(WebDouble.with_demo_pictures().app) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield client


async def test_the_demo_lists_pictures_that_can_be_fetched(client: httpx2.AsyncClient) -> None:
    urls = (await client.get("/")).text.splitlines()
    assert len(urls) == 6
    for url in urls:
        answer = await client.get(url)
        assert answer.headers["content-type"] == "image/jpeg"
        assert sniff_bytes(answer.content).mime_type == "image/jpeg"


async def test_a_picture_that_the_client_has_is_not_sent(client: httpx2.AsyncClient) -> None:
    [url, *_] = (await client.get("/")).text.splitlines()
    etag = (await client.get(url)).headers["etag"]
    assert (await client.get(url, headers={"If-None-Match": etag})).status_code == 304
    assert (await client.get(url, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_a_compressed_trap_expands_to_what_it_says(client: httpx2.AsyncClient) -> None:
    """Otherwise it would not be one."""
    async with client.stream("GET", "/compressed/30") as answer:
        packed = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert len(packed) < 100_000
    assert gzip.decompress(packed) == bytes(30_000_000)


async def test_it_tells_what_it_was_asked_and_misbehaves_on_request(client: httpx2.AsyncClient) -> None:
    [url, *_] = (await client.get("/")).text.splitlines()
    assert (await client.put("/_double/faults", json=[{"kind": "error", "status": 502}])).status_code == 204
    assert [(await client.get(url)).status_code for _ in range(2)] == [502, 200]
    assert [each["call"] for each in (await client.get("/_double/requests")).json()] == ["get", "get"]
    assert (await client.get("/pictures/none.jpg")).status_code == 404


async def test_crumbs_are_as_many_as_were_asked_for(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/crumbs/7")).content == b"x" * 7


async def test_it_answers_below_a_path_too() -> None:
    app = Starlette(routes=[Mount("/web", WebDouble.with_demo_pictures().app)])
    async with served(app) as base, httpx2.AsyncClient(base_url=base, trust_env=False) as client:
        [url, *_] = (await client.get("/web/")).text.splitlines()
        assert url.startswith(f"{base}/web/pictures/")
        assert (await client.get(url)).status_code == 200
        assert (await client.get("/web/redirects/0")).headers["location"] == f"{base}/web/redirects/1"
