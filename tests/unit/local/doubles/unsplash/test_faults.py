"""Everything that the double of Unsplash does wrong when it is told to, and nothing else."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import pytest

from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.unsplash import UnsplashDouble

URL = "/search/photos?query=apple"


ONCE = [
    (Fault(kind="rate_limited", retry_after=7), 429, "Rate Limit Exceeded"),
    (Fault(kind="quota"), 403, "Rate Limit Exceeded"),
    (Fault(kind="error"), 500, '{"errors": ["Something went wrong on our end"]}'),
    (Fault(kind="error", status=503), 503, '{"errors": ["Something went wrong on our end"]}'),
    (Fault(kind="error", status=401), 401, '{"errors": ["OAuth error: The access token is invalid"]}'),
    (Fault(kind="error", status=410), 410, '{"errors": ["This query was flagged as spam"]}'),
    (Fault(kind="html"), 200, "<!doctype html>"),
    (Fault(kind="html", status=503), 503, "<!doctype html>"),
    (Fault(kind="empty"), 200, '{"total":0,"total_pages":0,"results":[]}'),
    (Fault(kind="vanished"), 404, '{"errors": ["Couldn\'t find Photo"]}'),
]


async def test_a_search_that_goes_wrong_once(client: httpx2.AsyncClient, double: UnsplashDouble) -> None:
    for count, (fault, status, body) in enumerate(ONCE, 1):
        double.behaviour.misbehave(fault)
        answer = await client.get(URL)
        assert (answer.status_code, answer.text[: len(body)]) == (status, body)
        assert answer.headers.get("retry-after") == ("7" if fault.retry_after else None)
        left = 0 if fault.kind in {"rate_limited", "quota"} else 51 - 2 * count
        assert answer.headers["x-ratelimit-remaining"] == str(left)
        assert len((await client.get(URL)).json()["results"]) == 10
    assert double.behaviour.violations == []


async def test_keys_of_another_type(client: httpx2.AsyncClient, double: UnsplashDouble) -> None:
    photo: Any = (await client.get(URL)).json()["results"][0]
    double.behaviour.misbehave(Fault(kind="wrong_type", times=-1))
    assert (await client.get(URL)).json()["results"][0]["width"] == "wide"
    assert (await client.get(f"/photos/{photo['id']}")).json()["urls"] is None
    assert (await client.get(f"/photos/{photo['id']}/download")).json() == {"url": 7}
    assert double.behaviour.violations == []


async def test_headers_that_lie(client: httpx2.AsyncClient, double: UnsplashDouble) -> None:
    double.behaviour.misbehave(Fault(kind="wrong_remaining"))
    answer = await client.get(URL)
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (200, "0")
    assert (await client.get(URL)).headers["x-ratelimit-remaining"] == "48"


async def test_a_slow_answer(client: httpx2.AsyncClient, double: UnsplashDouble) -> None:
    double.behaviour.misbehave(Fault(kind="slow", seconds=0.05))
    began = time.monotonic()
    await client.get(URL)
    assert time.monotonic() - began >= 0.05
    double.behaviour.misbehave(Fault(kind="slow", seconds=0.5))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.get(URL)
    assert double.calls[-1].status == 0


async def test_answers_that_are_cut_off(client: httpx2.AsyncClient, double: UnsplashDouble) -> None:
    photo = (await client.get(URL)).json()["results"][0]
    double.behaviour.misbehave(Fault(kind="cut_off", times=2))
    for url in (URL, f"/photos/{photo['id']}"):
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get(url)


async def test_a_download_and_a_file_that_fail(
    client: httpx2.AsyncClient, anyone: httpx2.AsyncClient, double: UnsplashDouble
) -> None:
    photo = (await client.get(URL)).json()["results"][0]
    double.behaviour.misbehave(
        Fault(kind="error", call="download", status=502),
        Fault(kind="vanished", call="file", about=photo["id"]),
        Fault(kind="cut_off", call="file", times=2),
    )
    assert (await client.get(photo["links"]["download_location"])).status_code == 502
    url = (await client.get(photo["links"]["download_location"])).json()["url"]
    assert (await anyone.get(url)).status_code == 404
    with pytest.raises(httpx2.RemoteProtocolError):
        await anyone.get(url)
    assert double.behaviour.violations == []


async def test_faults_by_the_control(client: httpx2.AsyncClient) -> None:
    faults = [{"kind": "quota", "call": "search", "about": "apple", "times": -1}]
    assert (await client.put("/_double/faults", json=faults)).status_code == 204
    assert (await client.get(URL)).status_code == 403
    assert (await client.get("/search/photos?query=dog")).status_code == 200
