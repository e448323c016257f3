"""Bad input is refused with a problem that names limit and remedy; nothing else suffers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest
from tests.corpus.cases import cases
from tests.integration.gateway.support import MULTIPART, Gateway, exchange, part, problem

from heliograph_gateway.http.problems import KINDS

_STATUS = {"BadImage": 422, "EmptyImage": 422, "UnsupportedImage": 415, "ImageTooLarge": 413}
_KIND = {
    "BadImage": "bad-image",
    "EmptyImage": "empty-image",
    "UnsupportedImage": "unsupported-image",
    "ImageTooLarge": "image-too-large",
}


async def test_hostile_files_are_refused_by_their_header(ann: httpx2.AsyncClient) -> None:
    hostile = [case for case in cases() if case.by_header]
    for case in hostile:
        answer = await ann.post("/v1/images", content=case.data(), headers={"Content-Type": "image/jpeg"})
        assert answer.status_code == _STATUS[case.outcome], case.name
        problem(answer, _KIND[case.outcome])

    assert len(hostile) > 10
    assert (await ann.get("/v1/images")).json() == {"images": [], "next": None}


async def test_giant_jpeg_is_refused_naming_limit_and_remedy(photos: Path, ann: httpx2.AsyncClient) -> None:
    giant = photos / "giant.jpg"
    if not giant.exists():
        pytest.skip("giant.jpg is not on this machine")
    answer = await ann.post("/v1/images", content=giant.read_bytes(), headers={"Content-Type": "image/jpeg"})

    body = problem(answer, "image-too-large")
    assert answer.status_code == 413
    assert "50.0" in body["detail"]
    assert body["remedy"] == "Scale the image down or ask an administrator to raise the limit."


WRONG_BODIES = [
    ("multipart/form-data", b"--b--\r\n", "invalid-multipart"),
    (
        "multipart/form-data; boundary=other",
        part(b'form-data; name="file"; filename="a"', b"x"),
        "invalid-multipart",
    ),
    ("multipart/form-data; boundary=" + 300 * "b", b"", "invalid-multipart"),
    (MULTIPART, b"", "invalid-multipart"),
    (MULTIPART, b"--b--\r\n", "missing-file"),
    (MULTIPART, b"no multipart at all", "invalid-multipart"),
    (MULTIPART, part(b"attachment", b"x") + b"--b--\r\n", "invalid-multipart"),
    (MULTIPART, b"--b\r\n" + 20 * b"X-A: b\r\n" + b"\r\n\r\n--b--\r\n", "invalid-multipart"),
    (MULTIPART, b"--b\r\nX-A: " + 9000 * b"b" + b"\r\n\r\n\r\n--b--\r\n", "invalid-multipart"),
    (MULTIPART, part(b'form-data; name="files"; filename="a"', b"x") + b"--b--\r\n", "unknown-part"),
    (MULTIPART, part(b'form-data; name="priority"', b"urgent") + b"--b--\r\n", "invalid-parameter"),
    (MULTIPART, part(b'form-data; name="priority"', 2000 * b"x") + b"--b--\r\n", "invalid-parameter"),
    (MULTIPART, part(b'form-data; name="file"; filename=""', b"") + b"--b--\r\n", "empty-image"),
    (MULTIPART, part(b'form-data; name="file"; filename="a"', b"x")[:-5], "invalid-multipart"),
    ("application/json", b"{}", "unsupported-media-type"),
    ("application/x-www-form-urlencoded", b"a=b", "unsupported-media-type"),
    ("image/png", b"", "empty-image"),
    ("image/jpeg", b"%PDF-1.7 renamed", "unsupported-image"),
]


async def test_wrong_bodies(ann: httpx2.AsyncClient) -> None:
    for content_type, body, slug in WRONG_BODIES:
        answer = await ann.post("/v1/images", content=body, headers={"Content-Type": content_type})
        assert answer.status_code == KINDS[slug].status, (content_type, body[:80])
        problem(answer, slug)


async def test_files_before_the_cut_of_a_body_are_kept(ann: httpx2.AsyncClient, picture: Callable[..., bytes]) -> None:
    whole = part(b'form-data; name="file"; filename="a.png"', picture(seed=1))
    cut = part(b'form-data; name="file"; filename="b.png"', picture(seed=2))[:-40]
    answer = await ann.post("/v1/images", content=whole + cut, headers={"Content-Type": MULTIPART})

    assert answer.status_code == 201
    kept, lost = answer.json()["images"]
    assert (kept["status"], lost["status"], lost["name"]) == (201, 400, "b.png")


async def test_a_file_that_came_whole_is_kept_though_the_rest_is_garbage(
    ann: httpx2.AsyncClient, picture: Callable[..., bytes]
) -> None:
    whole = part(b'form-data; name="file"; filename="a.png"', picture(seed=1))
    answer = await ann.post(
        "/v1/images", content=whole + b"--b\r\n(no header)\r\n", headers={"Content-Type": MULTIPART}
    )

    assert answer.status_code == 201
    kept, lost = answer.json()["images"]
    assert (kept["status"], lost["status"]) == (201, 400)


async def test_too_many_files(ann: httpx2.AsyncClient, picture: Callable[..., bytes]) -> None:
    files = [("file", (f"{seed}.png", picture(seed=seed), "image/png")) for seed in range(5)]
    answer = await ann.post("/v1/images", files=files)

    *taken, refused = answer.json()["images"]
    assert [entry["status"] for entry in taken] == [201, 201, 201]
    assert refused["status"] == 413
    assert refused["problem"]["type"] == "/problems/too-many-files"
    assert "3 files" in refused["problem"]["detail"]


async def test_none_of_several_files_accepted_is_a_problem_that_lists_them(ann: httpx2.AsyncClient) -> None:
    files = [("file", ("a.pdf", b"%PDF", "image/png")), ("file", ("b.pdf", b"%PDF", "image/png"))]
    answer = await ann.post("/v1/images", files=files)

    assert answer.status_code == 415
    assert [entry["name"] for entry in problem(answer, "unsupported-image")["images"]] == ["a.pdf", "b.pdf"]


# -- sizes -------------------------------------------------------------------------------------------------------------


def _head(gateway: Gateway, *lines: str) -> bytes:
    start = ["POST /v1/images HTTP/1.1", "Host: test", f"Authorization: Bearer {gateway.token()}", *lines]
    return "\r\n".join([*start, "", ""]).encode()


async def test_a_declared_length_over_the_cap_is_refused_before_the_body(gateway: Gateway) -> None:
    head = _head(gateway, "Content-Type: image/png", "Content-Length: 99000000000", "Expect: 100-continue")
    answer = await exchange(gateway.port, head)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert b"52,428,800 bytes" in answer


async def test_a_client_that_sends_on_sees_the_refusal(gateway: Gateway) -> None:
    """Closing with unread bytes would reset the connection and lose the answer."""
    head = _head(gateway, "Content-Type: image/png", f"Content-Length: {60 << 20}")
    answer = await exchange(gateway.port, head, *[bytes(1 << 20)] * 60)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["limit_bytes"] == 50 << 20


async def test_a_client_that_sends_on_sees_that_it_needs_a_token(gateway: Gateway) -> None:
    head = b"POST /v1/images HTTP/1.1\r\nHost: test\r\nContent-Type: image/png\r\nContent-Length: 41943040\r\n\r\n"
    answer = await exchange(gateway.port, head, *[bytes(1 << 20)] * 40)

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"www-authenticate: bearer" in answer.lower()


async def test_a_body_of_unknown_length_is_cut_at_the_cap(gateway: Gateway) -> None:
    piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    head = _head(gateway, "Content-Type: image/png", "Transfer-Encoding: chunked")
    answer = await exchange(gateway.port, head, *[piece] * 60, b"0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_without_progress_is_cut(gateway: Gateway) -> None:
    head = _head(gateway, "Content-Type: image/png", "Content-Length: 1000")
    answer = await exchange(gateway.port, head, b"begin")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"/problems/body-timeout" in answer


async def test_a_client_that_leaves_half_way_harms_nobody(
    gateway: Gateway, ann: httpx2.AsyncClient, picture: Callable[..., bytes]
) -> None:
    head = _head(gateway, "Content-Type: image/png", "Content-Length: 100000")
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head + picture())
    await writer.drain()
    writer.transport.abort()

    answer = await ann.post("/v1/images", content=picture(seed=3), headers={"Content-Type": "image/png"})
    assert answer.status_code == 201
    assert len((await ann.get("/v1/images")).json()["images"]) == 1


@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01\r\n\r\n"]
)
async def test_no_http_is_answered_and_closed(request_line: bytes, gateway: Gateway) -> None:
    assert (await exchange(gateway.port, request_line)).startswith(b"HTTP/1.1 400 ")


# -- tokens ------------------------------------------------------------------------------------------------------------


def _claims(gateway: Gateway, **changed: Any) -> dict[str, Any]:
    return jwt.decode(gateway.token(), options={"verify_signature": False}) | changed


def _signed(gateway: Gateway, claims: dict[str, Any], algorithm: str = "HS256") -> str:
    secret = gateway.settings.auth.secret
    assert secret is not None
    return jwt.encode(claims, secret.get_secret_value() if algorithm != "none" else "", algorithm=algorithm)


BAD_TOKENS: dict[str, Callable[[Gateway], str]] = {
    "missing": lambda _: "",
    "garbage": lambda _: "not.a.token",
    "expired": lambda gateway: gateway.token(lifetime=timedelta(hours=-1)),
    "other issuer": lambda gateway: _signed(gateway, _claims(gateway, iss="someone else")),
    "other audience": lambda gateway: _signed(gateway, _claims(gateway, aud="someone else")),
    "alg none": lambda gateway: _signed(gateway, _claims(gateway), "none"),
    "other key": lambda gateway: jwt.encode(_claims(gateway), 8 * "wrong key", algorithm="HS256"),
}


async def test_tokens_that_are_no_good(gateway: Gateway, picture: Callable[..., bytes]) -> None:
    for kind, make in BAD_TOKENS.items():
        async with gateway.client(token=make(gateway)) as client:
            for answer in (
                await client.get("/v1/images"),
                await client.post("/v1/images", content=picture(), headers={"Content-Type": "image/png"}),
            ):
                assert answer.status_code == 401, kind
                assert answer.headers["www-authenticate"].startswith("Bearer"), kind
                problem(answer, "unauthenticated")


async def test_a_token_without_the_scope_is_told_which(gateway: Gateway, picture: Callable[..., bytes]) -> None:
    async with gateway.client(scopes=["images:read"]) as client:
        upload = await client.post("/v1/images", content=picture(), headers={"Content-Type": "image/png"})
        letters = await client.get("/v1/dead-letters")

    assert "images:write" in problem(upload, "forbidden")["detail"]
    assert "admin" in problem(letters, "forbidden")["detail"]
    assert (upload.status_code, letters.status_code) == (403, 403)


# -- parameters and routes ---------------------------------------------------------------------------------------------


WRONG_PARAMETERS = [
    ("statsu=failed", "did you mean `status`?"),
    ("created=2026-01-01T00:00:00Z", "created_after"),
    ("limit=0", "greater than or equal to 1"),
    ("limit=201", "less than or equal to 200"),
    ("limit=10&limit=20", "Must not be repeated"),
    ("status=done", "'failed'"),
    ("created_after=2026-01-01", "RFC 3339"),
]


async def test_wrong_parameters_are_named(ann: httpx2.AsyncClient) -> None:
    for query, hint in WRONG_PARAMETERS:
        answer = await ann.get(f"/v1/images?{query}")
        assert answer.status_code == 400, query
        assert hint in problem(answer, "invalid-parameter")["detail"]


async def test_unknown_routes_and_methods(ann: httpx2.AsyncClient) -> None:
    unknown = await ann.get("/v1/nothing")
    slash = await ann.get("/v1/images/")
    patch = await ann.patch(f"/v1/images/{uuid4()}")
    put = await ann.put("/v1/images")

    assert problem(unknown, "unknown-route")["status"] == 404
    assert slash.status_code == 404
    assert (patch.status_code, patch.headers["allow"]) == (405, "DELETE, GET, HEAD")
    assert (put.status_code, put.headers["allow"]) == (405, "GET, HEAD, POST")
    problem(patch, "method-not-allowed")


async def test_an_id_that_is_none_is_not_found(ann: httpx2.AsyncClient) -> None:
    for path in ("/v1/images/nonsense", f"/v1/images/{uuid4()}"):
        answer = await ann.get(path)
        assert answer.status_code == 404
        problem(answer, "not-found")


async def test_every_problem_has_its_page(ann: httpx2.AsyncClient) -> None:
    for kind in KINDS.values():
        page = await ann.get(kind.type)
        assert page.status_code == 200
        assert kind.title in page.text
    assert (await ann.get("/problems/none-such")).status_code == 404
