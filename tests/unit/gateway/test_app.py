"""Errors become problems, each with its page, and only configured origins may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import httpx2
import pytest

from heliograph_common import errors
from heliograph_common.http.problems import MEDIA_TYPE, Kind
from heliograph_gateway.http.problems import INTERNAL, KINDS, problem_of

Connect = Callable[..., httpx2.AsyncClient]


def _errors(kind: type[errors.HeliographError] = errors.HeliographError) -> Iterator[type[errors.HeliographError]]:
    for sub in kind.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield sub
            yield from _errors(sub)


@pytest.mark.parametrize("kind", list(_errors()), ids=lambda kind: kind.__name__)
async def test_every_error_of_ours_is_a_problem(kind: type[errors.HeliographError], connect: Connect) -> None:
    async with connect(kind("at 10.0.0.1: the cause")) as client:
        answer = await client.get("/v1/images")
    body = answer.json()

    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.status_code == body["status"] == KINDS[body["type"].removeprefix("/problems/")].status
    assert ("retry-after" in answer.headers) == issubclass(kind, errors.Temporary)
    if answer.status_code >= 500:
        assert "10.0.0.1" not in answer.text


@pytest.mark.parametrize(
    ("error", "slug"),
    [
        (errors.EmptyImage(""), "empty-image"),
        (errors.BadImage(""), "bad-image"),
        (errors.StreamFull(""), "nats-unavailable"),
        (errors.BlobsUnavailable(""), "object-store-unavailable"),
        (errors.DatabaseUnavailable(""), "database-unavailable"),
        (errors.Temporary(""), "unavailable"),
        (errors.MalformedMessage(""), "internal-error"),
    ],
)
def test_the_nearest_kind_is_taken(error: errors.HeliographError, slug: str) -> None:
    assert problem_of(error).kind.slug == slug


def test_the_wait_that_an_error_asks_for_is_told_in_whole_seconds() -> None:
    assert problem_of(errors.DatabaseUnavailable("", delay=7.2)).headers["Retry-After"] == "8"


async def test_an_unforeseen_error_tells_nothing_but_a_trace(connect: Connect) -> None:
    async with connect(RuntimeError("password=hunter2")) as client:
        answer = await client.get("/v1/images")

    assert answer.status_code == INTERNAL.status
    assert answer.json()["type"] == INTERNAL.type
    assert "trace_id" in answer.json()
    assert "hunter2" not in answer.text


async def test_the_caller_is_known_before_the_body_is_read(connect: Connect) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    for caller, status in (("", 401), ("ann|images:read", 403)):
        async with connect(caller=caller, guarded=False) as client:
            answer = await client.post("/v1/images", content=body(), headers={"Content-Length": "5"})
        assert answer.status_code == status


# -- pages and origins -------------------------------------------------------------------------------------------------


async def test_the_front_page_leads_on(connect: Connect) -> None:
    async with connect(caller="") as client:
        page = await client.get("/")
        for link in ("/openapi.json", "/problems", "/livez"):
            assert link in page.text
            assert (await client.get(link)).status_code == 200


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.slug)
async def test_every_kind_of_problem_has_a_page_and_a_remedy(kind: Kind, connect: Connect) -> None:
    async with connect(caller="") as client:
        page = await client.get(kind.type)

    assert kind.title in page.text
    assert kind.remedy.endswith(".")
    assert 400 <= kind.status < 600


async def test_no_origin_may_ask_unless_it_is_configured(connect: Connect) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with connect() as client:
        closed = await client.options("/v1/images", headers=asked)
    async with connect(cors_origins=["https://app.example"]) as client:
        opened = await client.options("/v1/images", headers=asked)
        other = await client.options("/v1/images", headers={**asked, "Origin": "https://evil.example"})

    assert closed.status_code == 405
    assert "access-control-allow-origin" not in closed.headers
    assert opened.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in other.headers
