"""The double of Unsplash answers as Unsplash does, counts as it does, and takes no request that it would not take."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx2
import simplejpeg
from tests.unit.local.doubles.unsplash.support import HEADERS

from heliograph_local.doubles.records import recorded
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.unsplash import Call, UnsplashDouble


async def search(client: httpx2.AsyncClient, query: str, **more: Any) -> Any:
    """The answer of a search, which succeeds."""
    answer = await client.get("/search/photos", params={"query": query, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_search_finds_the_same_again_and_its_photos_can_be_had(
    client: httpx2.AsyncClient, anyone: httpx2.AsyncClient, double: UnsplashDouble
) -> None:
    found = await search(client, "apple")
    assert await search(client, "apple") == found
    assert len(found["results"]) == 10
    assert {photo["id"] for photo in found["results"]}.isdisjoint(
        photo["id"] for photo in (await search(client, "dog"))["results"]
    )
    first = found["results"][0]
    whole = (await client.get(f"/photos/{first['id']}")).json()
    assert whole["user"] == first["user"]
    assert whole["tags"] == [{"title": "apple"}, {"title": "fruit"}, {"title": "red"}]
    told = await client.get(first["links"]["download_location"])
    picture = await anyone.get(f"{told.json()['url']}&w=300")
    assert simplejpeg.decode_jpeg_header(picture.content)[:2] == (200, 300)
    assert (await anyone.get(first["links"]["html"])).headers["content-type"].startswith("text/html")
    assert [(call.call, call.status) for call in double.calls][-2:] == [("photo", 200), ("download", 200)]
    assert double.behaviour.violations == []


async def test_a_double_that_was_started_again_knows_its_photos(client: httpx2.AsyncClient) -> None:
    first = (await search(client, "farm"))["results"][0]
    async with served(UnsplashDouble().app) as url, httpx2.AsyncClient(base_url=url, headers=HEADERS) as other:
        assert (await other.get(f"/photos/{first['id']}")).json()["description"] == first["description"]


async def test_pages(client: httpx2.AsyncClient) -> None:
    whole = await search(client, "sea", per_page=30)
    second = await client.get("/search/photos", params={"query": "sea", "per_page": 7, "page": 2})
    assert second.json()["results"] == whole["results"][7:14]
    assert second.json()["total"] == whole["total"] >= 24
    assert second.json()["total_pages"] == -(-whole["total"] // 7)
    links = {name: link["url"] for name, link in second.links.items()}
    assert links.keys() == {"first", "prev", "next", "last"}
    assert (await client.get(links["next"])).json()["results"] == whole["results"][14:21]
    assert (await search(client, "sea", page=999))["results"] == []


async def test_what_a_query_decides(client: httpx2.AsyncClient) -> None:
    assert (await search(client, "nothing17"))["total"] == 0
    assert (await search(client, "rare apple"))["total"] == 1
    for photo in (await search(client, "portrait of a dog"))["results"]:
        assert photo["height"] > photo["width"]
    for photo in (await search(client, "tiny dog"))["results"]:
        assert photo["width"] < 200
    for photo in (await search(client, "premium dog"))["results"]:
        assert "/premium_photo-" in photo["urls"]["regular"]
    assert {photo["description"] for photo in (await search(client, "undescribed"))["results"]} == {None}
    assert (await search(client, "Δοκιμή 🍎"))["total"] > 0


async def test_filters(client: httpx2.AsyncClient) -> None:
    whole = (await search(client, "tree", per_page=30))["results"]
    upright = (await search(client, "tree", per_page=30, orientation="portrait"))["results"]
    assert upright
    assert all(photo["height"] > photo["width"] for photo in upright)
    red = (await search(client, "tree", per_page=30, color="red"))["results"]
    assert {photo["color"] for photo in red} == {"#cc3333"}
    assert (await search(client, "tree", content_filter="high"))["total"] < (await search(client, "tree"))["total"]
    latest = (await search(client, "tree", per_page=30, order_by="latest"))["results"]
    assert latest == sorted(latest, key=lambda photo: photo["created_at"], reverse=True) != whole


async def test_files_are_pictures_of_their_own_in_the_size_that_is_asked_for(
    client: httpx2.AsyncClient, anyone: httpx2.AsyncClient
) -> None:
    photos = (await search(client, "cat", per_page=12))["results"]
    files = [(await anyone.get(photo["urls"]["thumb"])).content for photo in photos]
    assert len(set(files)) == len(photos)
    for photo, file in zip(photos, files, strict=True):
        height, width = simplejpeg.decode_jpeg_header(file)[:2]
        assert width == min(200, photo["width"])
        assert abs(width / height - photo["width"] / photo["height"]) < 0.02
    wide = next(photo for photo in photos if f"/{photo['id']}.jpg" in photo["urls"]["raw"] and photo["width"] == 2400)
    for asked, size in (
        ("w=9", None),
        ("w=300&h=300&fit=crop", (300, 300)),
        ("w=5000", (1600, 2400)),
        ("q=10", (1600, 2400)),
    ):
        answer = await anyone.get(f"/files/{wide['id']}.jpg?{asked}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert size in {None, simplejpeg.decode_jpeg_header(io.BytesIO(answer.content).getvalue())[:2]}
    assert (await anyone.get("/files/AAAAAAAAAAA.jpg")).status_code == 404
    assert (await anyone.get(f"/files/premium_photo-{wide['id']}.jpg")).status_code == 404


async def test_a_wrong_key(anyone: httpx2.AsyncClient, double: UnsplashDouble) -> None:
    for wrong in ({}, {"authorization": "Client-ID another"}, {"authorization": "Bearer access-key-of-the-double"}):
        answer = await anyone.get("/search/photos?query=apple", headers=wrong)
        assert answer.status_code == 401
        assert answer.json() == {"errors": ["OAuth error: The access token is invalid"]}
    assert [(call.status, call.counted) for call in double.calls] == [(401, False)] * 3


NOBODY_SHOULD_ASK = [
    ("/search/photos", "'query' is a required property"),
    ("/search/photos?query=%20", "query is empty"),
    ("/search/photos?query=a&per_page=31", "per_page is more than 30"),
    ("/search/photos?query=a&per_page=ten", "per_page"),
    ("/search/photos?query=a&page=0", "page"),
    ("/search/photos?query=a&query=b", "twice"),
    ("/search/photos?query=a&lang=xx", "lang"),
    ("/search/photos?query=a&order_by=popular", "order_by"),
    ("/search/photos?query=a&client_id=k", "client_id"),
    ("/photos/AAAAAAAAAAA?query=a", "query"),
    ("/photos/AAAAAAAAAAA/download?ixid=x", "ixid"),
    ("/photos/random", "not here"),
    ("/topics", "not here"),
    ("/files/AAAAAAAAAAA.jpg", "the key is sent"),
]


async def test_a_request_that_nobody_should_make(client: httpx2.AsyncClient, double: UnsplashDouble) -> None:
    for url, what in NOBODY_SHOULD_ASK:
        double.behaviour.violations.clear()
        assert (await client.get(url)).status_code in {400, 404}, url
        [violation] = double.behaviour.violations
        assert what in violation
    assert double.hour.left(1_000_000.0) == 50


async def test_files_with_parameters_that_have_no_sense(
    client: httpx2.AsyncClient, anyone: httpx2.AsyncClient, double: UnsplashDouble
) -> None:
    photo = (await search(client, "car"))["results"][0]
    for wrong in ("w=0", "w=wide", "q=101", "fit=tight", "h=99999"):
        assert (await anyone.get(f"{photo['urls']['raw']}&{wrong}")).status_code == 400
    assert len(double.behaviour.violations) == 5


async def test_another_version_and_a_post(client: httpx2.AsyncClient, double: UnsplashDouble) -> None:
    assert (await client.get("/search/photos?query=a", headers={"accept-version": "v2"})).status_code == 400
    assert (await client.post("/search/photos?query=a")).status_code == 404
    assert len(double.behaviour.violations) == 2


async def test_the_requests_of_any_hour_are_limited(
    client: httpx2.AsyncClient, double: UnsplashDouble, now: list[float]
) -> None:
    assert (await client.put("/_double/limit", json={"requests_per_hour": 3})).status_code == 204
    left = []
    for second in range(5):
        now[0] += 1
        answer = await client.get("/search/photos?query=apple")
        left.append((answer.status_code, answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]))
        assert second < 3 or (answer.text, answer.headers["content-type"].partition(";")[0]) == (
            "Rate Limit Exceeded",
            "text/plain",
        )
    assert left == [(200, "3", "2"), (200, "3", "1"), (200, "3", "0"), (403, "3", "0"), (403, "3", "0")]
    now[0] = 1_000_001.0 + 3599
    assert (await client.get("/search/photos?query=apple")).status_code == 403
    now[0] += 1
    answer = await client.get("/photos/AAAAAAAAAAA")  # counted, though there is none
    assert (answer.status_code, answer.json()) == (404, {"errors": ["Couldn't find Photo"]})
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert [call.counted for call in double.calls] == [True, True, True, False, False, False, True]


async def test_files_are_not_counted(
    client: httpx2.AsyncClient, anyone: httpx2.AsyncClient, double: UnsplashDouble
) -> None:
    photo = (await search(client, "book"))["results"][0]
    for _ in range(3):
        await anyone.get(photo["urls"]["thumb"])
    assert double.hour.left(1_000_000.0) == 49
    assert [each.call for each in double.behaviour.asked] == ["search", "file", "file", "file"]


async def test_calls_are_recorded_with_their_time(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    double = UnsplashDouble(tmp_path / "calls", clock=lambda: 5.0)
    async with served(double.app) as url, httpx2.AsyncClient(base_url=url, headers=HEADERS, trust_env=False) as other:
        await search(other, "apple")
        told = (await other.get("/_double/calls")).json()
    assert [(call["call"], call["about"], call["at"], call["status"]) for call in told] == [
        ("search", "apple", 5.0, 200)
    ]
    with (tmp_path / "calls").open("ab") as file:
        file.write(b'{"call": "sea')  # as a kill leaves it
    assert recorded(tmp_path / "calls", Call) == double.calls
    assert client.base_url != url
