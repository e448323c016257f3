"""Requests as only broken or hostile clients make them, byte by byte: each is answered, none with a 5xx, and the gateway
goes on. What is wrong with files and tokens is in ``test_bad_input.py``."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
from fastapi.routing import APIRoute
from tests.integration.gateway.support import MULTIPART, Gateway, exchange, part, problem, upload

from heliograph_common.db.engine import Database
from heliograph_gateway.app import ROUTERS
from heliograph_gateway.http.query import names_of

Picture = Callable[..., bytes]


@dataclass(frozen=True)
class RawAnswer:
    """A response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def slug(self) -> str:
        """The kind of problem; empty where it is none."""
        if self.headers.get("content-type") != "application/problem+json" or not self.body:
            return ""
        return str(json.loads(self.body)["type"]).removeprefix("/problems/")


async def ask(
    gateway: Gateway, method: str, target: str | bytes, *headers: bytes, body: bytes = b"", token: str | None = None
) -> RawAnswer:
    """The last response to one request that is written as given; with ann's token unless there is another."""
    raw = target if isinstance(target, bytes) else target.encode()
    lines = [method.encode() + b" " + raw + b" HTTP/1.1", b"Host: test", b"Connection: close", *headers]
    bearer = gateway.token() if token is None else token
    lines += [b"Authorization: Bearer " + bearer.encode()] if bearer else []
    lines += [b"Content-Length: %d" % len(body)] if body else []
    answer = await exchange(gateway.port, b"\r\n".join([*lines, b"", b""]) + body)
    while answer.startswith(b"HTTP/1.1 100 "):
        answer = answer.partition(b"\r\n\r\n")[2]
    head, _, rest = answer.partition(b"\r\n\r\n")
    status, *given = head.decode("latin-1").split("\r\n")
    named = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in given)}
    return RawAnswer(int(status.split()[1]), named, rest)


BAD_QUERIES = {
    "invalid-parameter": (
        "q=%00", "q=a%00b", "source=%00", "status=%00", "near=%00", "near=x", "near=", "%00=1", "a%00b=1", "[]=1",
        "limit[]=1", "LIMIT=1", "?limit=1", "=", "limit=-1", "limit=0", "limit=99999999999999999999", "limit=1e3",
        "limit=", "limit=%C2%B2", "limit=1;q=2", "q=", "q=a&q=b", "cursor=a&cursor=b", "status=", "distance=3",
        "created_after=0000-01-01T00:00:00Z", "created_before=294277-01-01T00:00:00Z", "taken_after=1e400",
        "created_after=10000-01-01T00:00:00Z", "created_after=2026-02-30T00:00:00Z", "taken_after=nan",
        "created_after=2026-01-01T25:00:00Z", "taken_before=-62135596801", "taken_before=99999999999999",
        "q=" + "x" * 256, "name=", "name=%00", "name=" + "x" * 256, "access_token=x", "cursor=%00A",
    ),
    "invalid-cursor": ("cursor=", "cursor=%ff", "cursor=" + "A" * 5000, "cursor=W10", "cursor=WzEsMiwzXQ"),
}  # fmt: skip

FINE_QUERIES = (
    "q=%ff", "q=%ed%a0%80", "q=%25%5f%5c", "name=%ff", "name=%ed%a0%80", "name=%25%5f%5c", "&&&",
    "limit=200", "created_after=0001-01-01T00:00:00%2B23:59",
    "created_before=9999-12-31T23:59:59-23:59", "taken_after=0001-01-01T00:00:00%2B14:00",
    "taken_before=9999-12-31T23:59:59.999999-12:00", "source=nowhere",
)  # fmt: skip


async def test_queries(gateway: Gateway) -> None:
    for slug, queries in BAD_QUERIES.items():
        for query in queries:
            answer = await ask(gateway, "GET", f"/v1/images?{query}")
            assert (answer.status, answer.slug) == (400, slug), query
    for query in FINE_QUERIES:
        assert (await ask(gateway, "GET", f"/v1/images?{query}")).status == 200, query
    for target in (b"/v1/images?q=\xff", b"/v1/images?q=\x01"):
        assert (await ask(gateway, "GET", target)).status == 400
    with contextlib.suppress(ConnectionError):  # cut off while it is still sent, the answer may be lost
        assert (await ask(gateway, "GET", "/v1/images?q=" + "x" * 300_000)).status in {400, 431}
    assert (await ask(gateway, "GET", "/v1/images")).status == 200


def _parameters() -> list[tuple[str, str, str]]:
    """Method, path template and one of its parameters, in the path or in the query, of all routes."""
    found = []
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute):
                names = {*names_of(route.dependant), *(field.alias for field in route.dependant.path_params)}
                found += [(method, route.path_format, name) for method in route.methods or () for name in sorted(names)]
    return found


async def test_a_nul_in_any_parameter_of_any_route(gateway: Gateway) -> None:
    token = gateway.token("root", ("admin", "images:read", "images:write"))
    every = _parameters()
    assert len(every) > 30
    for method, template, name in every:
        values = defaultdict(lambda: str(uuid4()), {name: "a%00b"})
        target = template.format_map(values)
        if f"{{{name}}}" not in template:
            target = f"{target}?{name}=a%00b"
        answer = await ask(gateway, method, target, b"Tus-Resumable: 1.0.0", token=token)
        assert answer.status < 500, (method, target, answer.body)


async def test_near_with_limits_and_cursors(gateway: Gateway, ann: httpx2.AsyncClient, picture: Picture) -> None:
    near = (await upload(ann, picture()))["id"]
    await upload(ann, picture(seed=1))
    cursor = (await ann.get("/v1/images?limit=1")).json()["next"].partition("cursor=")[2]
    expected = {
        f"near={near}&limit=0": (400, "invalid-parameter"),
        f"near={near}&limit=201": (400, "invalid-parameter"),
        f"near={near}&distance=17": (400, "invalid-parameter"),
        f"near={near}&distance=-1": (400, "invalid-parameter"),
        f"near={uuid4()}": (404, "not-found"),
        f"near={near}": (409, "conflict"),  # it is not rendered: there is no hash yet
        f"near={near}&cursor={cursor}": (400, "invalid-cursor"),
    }
    for query, answered in expected.items():
        answer = await ask(gateway, "GET", f"/v1/images?{query}")
        assert (answer.status, answer.slug) == answered, query


async def test_paths(gateway: Gateway, ann: httpx2.AsyncClient, picture: Picture) -> None:
    image = (await upload(ann, picture()))["id"]
    not_found = (
        "/v1/images/%00", "/v1/images/%ff", f"/v1/images/{image}%00", f"/v1/images/{image}%20", "/v1/images/1",
        "/v1/images/null", f"/v1/images/{'9' * 5000}", "/v1/%00", "/%ff", "//v1/images", "/v1/images/../images", "*",
        f"/v1/images/{image}/renditions/%00", f"/v1/images/{image}/renditions/%ff", "/problems/%00", "/v1/images//retry",
        f"/v1/images/{image}/renditions/..%2f..%2fetc", f"/v1/images/{image}/renditions/{'x' * 5000}",
    )  # fmt: skip
    for path in not_found:
        answer = await ask(gateway, "GET", path)
        assert answer.status == 404, path
        assert answer.slug in {"not-found", "unknown-route"}, path
    assert (await ask(gateway, "GET", b"/v1/images/\xff\xfe")).status == 400
    assert (await ask(gateway, "GET", f"/v1/images/{image}/renditions/original?url=maybe")).status == 400


async def test_ids_of_dead_letters(gateway: Gateway) -> None:
    token = gateway.token("root", ("admin",))
    for identifier in ("-1", "0", "1.5", "x", "%00", str(1 << 63), str(1 << 64), "9" * 5000):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/replay")):
            answer = await ask(gateway, method, f"/v1/dead-letters/{identifier}{path}", token=token)
            assert answer.status == 404, (method, identifier)
    for query in ("limit=-1", "service=%00", "service=a.b", "service=*", "service=%3E", "cursor=x", "cursor=-1"):
        assert (await ask(gateway, "GET", f"/v1/dead-letters?{query}", token=token)).status == 400, query


async def test_methods(gateway: Gateway, ann: httpx2.AsyncClient, picture: Picture) -> None:
    image = (await upload(ann, picture()))["id"]
    for method in ("OPTIONS", "TRACE", "PATCH", "PROPFIND", "PUT"):
        for path, allowed in (("/v1/images", "GET, HEAD, POST"), (f"/v1/images/{image}", "DELETE, GET, HEAD")):
            answer = await ask(gateway, method, path)
            assert (answer.status, answer.headers.get("allow")) == (405, allowed), (method, path)
            assert answer.slug == "method-not-allowed"
    for method in ("get", "NONSENSE"):
        assert (await ask(gateway, method, "/v1/images")).status == 400
    for path in ("/v1/images", f"/v1/images/{image}", "/livez", f"/v1/images/{image}/renditions/original"):
        got, head = await ask(gateway, "GET", path), await ask(gateway, "HEAD", path)
        assert (head.status, head.body) == (got.status, b""), path
        assert head.headers.get("content-type") == got.headers.get("content-type")
    missing = await ask(gateway, "HEAD", f"/v1/images/{uuid4()}")
    assert (missing.status, missing.body) == (404, b"")


async def test_authorization_headers(gateway: Gateway) -> None:
    token = gateway.token().encode()
    wrong = (
        b"", b"Bearer", b"Bearer ", b"Basic YTpi", token, b"Bearer " + token + b" x", b"Bearer, " + token,
        b"Token " + token, b"Bearer " + b"x" * 50_000, b"Bearer \xff\xfe", b"Bearer a.b.c", b"Bearer ....",
        b"Bearer e30.e30.", b"Bearer " + token[:-5],
    )  # fmt: skip
    for value in wrong:
        answer = await ask(gateway, "GET", "/v1/images", b"Authorization: " + value, token="")
        assert (answer.status, answer.slug) == (401, "unauthenticated"), value[:40]
        assert answer.headers["www-authenticate"].startswith("Bearer"), value[:40]
    for scheme in (b"bearer ", b"BEARER "):
        assert (await ask(gateway, "GET", "/v1/images", b"Authorization: " + scheme + token, token="")).status == 200
    twice = await ask(gateway, "GET", "/v1/images", b"Authorization: Bearer other")
    assert (twice.status, twice.slug) == (401, "unauthenticated")
    assert (await ask(gateway, "GET", "/v1/images", b"Authorization: Bearer \0", token="")).status == 400


async def test_absurd_headers_harm_nobody(gateway: Gateway, ann: httpx2.AsyncClient, picture: Picture) -> None:
    image = (await upload(ann, picture()))["id"]
    harmless = (
        [b"X-Long: " + b"y" * 30_000],
        [b"X-%d: y" % number for number in range(500)],
        [b"If-None-Match: " + b'"x", ' * 1000],
        [b"If-None-Match: garbage"],
        [b"If-Match: garbage"],  # counts for changes alone
        [b"Range: bytes=0-1"],
        [b"Accept: application/xml"],
        [b"Accept-Encoding: nonsense;q=7"],
        [b"traceparent: garbage"],
        [b"traceparent: 00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"tracestate: " + b"a=b," * 500],
        [b"Expect: nonsense"],
        [b"Cookie: " + b"a=b; " * 3000],
        [b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-Proto: gopher", b"X-Forwarded-Host: evil"],
        [b"Content-Type: \xff", b"Accept-Language: \xff"],
        [b"Connection: upgrade", b"Upgrade: h2c"],
    )
    for headers in harmless:
        answer = await ask(gateway, "GET", f"/v1/images/{image}", *headers)
        assert answer.status == 200, headers[0][:40]
    refused = ([b"X: \x01\0"], [b"No colon"], [b"Content-Length: -1"], [b"Content-Length: 1", b"Content-Length: 2"],
               [b"Content-Length: 1", b"Transfer-Encoding: chunked"], [b"Content-Length: " + b"9" * 30])  # fmt: skip
    for headers in refused:
        answer = await ask(gateway, "POST", "/v1/images", *headers)
        assert answer.status == 400, headers
    for condition in (b"garbage", b'"a", "b"', b'W/"a"', b'"'):
        answer = await ask(gateway, "DELETE", f"/v1/images/{image}", b"If-Match: " + condition)
        assert (answer.status, answer.slug) == (412, "precondition-failed"), condition
    assert (await ask(gateway, "DELETE", f"/v1/images/{image}", b"If-Match: *")).status == 204


async def test_bodies_of_every_framing(gateway: Gateway, db: Database, picture: Picture) -> None:
    as_png = b"Content-Type: image/png"
    data = picture(seed=5)
    chunks = (
        b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (data[:1], data[1:50], data[50:])) + b"0\r\n\r\n"
    )
    start = b"POST /v1/images HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer "
    start += gateway.token().encode() + b"\r\n" + as_png + b"\r\n"

    chunked = await exchange(gateway.port, start + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    expecting = await ask(gateway, "POST", "/v1/images", as_png, b"Expect: 100-continue", body=data)
    bad_chunk = await exchange(gateway.port, start + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nxx\r\n")
    no_end = await exchange(gateway.port, start + b"Transfer-Encoding: chunked\r\n\r\n" + chunks[:-5])
    without = await ask(gateway, "POST", "/v1/images", as_png)

    assert chunked.startswith(b"HTTP/1.1 201 ")
    assert expecting.status == 200  # the same bytes
    assert bad_chunk.startswith(b"HTTP/1.1 400 ")
    assert no_end.startswith(b"HTTP/1.1 408 ")
    assert (without.status, without.slug) == (422, "empty-image")
    async with db.transaction() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM images")).scalar_one() == 1


NAMES = {
    b"a\0b.png": "ab.png",
    b"..\\..\\x.png": "x.png",
    b"../../etc/passwd": "passwd",
    b"\xff\xfe.png": "\ufffd\ufffd.png",
    b"\xed\xa0\x80.png": "\ufffd\ufffd\ufffd.png",
    b"\xe2\x80\xaegnp.exe": "gnp.exe",
    b" . ": "unnamed",
    b"x" * 5000: "x" * 255,
}


async def test_names_are_kept_fit_to_be_shown(gateway: Gateway, picture: Picture) -> None:
    for seed, (given, kept) in enumerate(NAMES.items()):
        body = part(b'form-data; name="file"; filename="' + given + b'"', picture(seed=seed)) + b"--b--\r\n"
        answer = await ask(gateway, "POST", "/v1/images", b"Content-Type: " + MULTIPART.encode(), body=body)
        assert (answer.status, json.loads(answer.body)["name"]) == (201, kept)
    with_nul = await ask(
        gateway, "POST", "/v1/images?name=a%00b.png", b"Content-Type: image/png", body=picture(seed=99)
    )
    assert (with_nul.status, with_nul.slug) == (400, "invalid-parameter")


JSON: list[tuple[bytes, int, str]] = [
    *((body, 400, "invalid-json") for body in (b"", b"{", b"\xff", b"{'a': 1}", b'{"sizes": [],}', b"\xef\xbb\xbf{}",
      b'{"sizes": NaN}', b'{"sizes": 1e999}', b'{"sizes": "\\ud800"}', "{}".encode("utf-16"), b"{}{}")),
    *((body, 422, "invalid-body") for body in (b"null", b"[]", b"1", b'"x"', b"{}", b'{"sizes": null}', b'{"sizes": {}}',
      b'{"sizes": [null]}', b'{"sizes": [1]}', b'{"sizes": [[]]}', b'{"sizes": [{}]}', b'{"sizes": [], "more": 1}',
      b'{"sizes": [{"name": "a\\u0000"}]}', b'{"sizes": [{"name": true}]}')),
]  # fmt: skip


async def test_json_of_every_wrong_shape(gateway: Gateway, admin: httpx2.AsyncClient) -> None:
    path = "/v1/settings/display-sizes"
    before = (await admin.get(path)).json()
    for body, status, slug in JSON:
        answer = await admin.put(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status, body
        problem(answer, slug)
    assert (await admin.get(path)).json() == before


async def test_everything_on_a_deleted_image(
    gateway: Gateway, ann: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    image = await upload(ann, picture())
    path = f"/v1/images/{image['id']}"
    tag = (await ann.get(path)).headers["etag"]
    assert (await ann.delete(path)).status_code == 204
    requests: list[tuple[str, str, dict[str, str]]] = [
        ("GET", path, {}),
        ("GET", path, {"If-None-Match": tag}),
        ("GET", path, {"If-None-Match": "*"}),
        ("HEAD", path, {}),
        ("DELETE", path, {}),
        ("DELETE", path, {"If-Match": tag}),
        ("DELETE", path, {"If-Match": "*"}),
        ("POST", f"{path}/retry", {}),
        ("GET", f"{path}/renditions/original", {}),
        ("GET", f"{path}/renditions/300?url=1", {}),
        ("GET", f"/v1/images?near={image['id']}", {}),
    ]
    for method, target, headers in requests:
        answer = await ann.request(method, target, headers=headers)
        assert answer.status_code == 404, (method, target, headers)
        if method != "HEAD":
            said: dict[str, Any] = problem(answer, "not-found")
            assert image["id"] in said["detail"]
    async with db.transaction() as connection:
        rows = (await connection.exec_driver_sql("SELECT deleted_at IS NOT NULL, processing_status FROM images")).all()
    assert [tuple(row) for row in rows] == [(True, "pending")]
