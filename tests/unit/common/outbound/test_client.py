"""The guarded client over real HTTP, against the double of the web and servers that speak worse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, urlsplit

import psutil
import pytest
from tests.unit.common.outbound.support import (
    LOOPBACK,
    ONLY_LOOPBACK,
    PUBLIC,
    Answers,
    certificate,
    speaking,
)

from heliograph_common.outbound.client import GuardedClient, Patience
from heliograph_common.outbound.errors import (
    AddressForbidden,
    EncodingRefused,
    RedirectRefused,
    RequestFailed,
    RequestTimedOut,
    UnknownHost,
    UrlRefused,
)
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.web import WebDouble

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MEGABYTE = 1024 * 1024


@pytest.fixture
def double() -> WebDouble:
    return WebDouble()


@pytest.fixture
async def base(double: WebDouble) -> AsyncIterator[str]:
    async with served(double.app) as url:
        yield url


@pytest.fixture
async def client() -> AsyncIterator[GuardedClient]:
    client = GuardedClient(ONLY_LOOPBACK)
    yield client
    await client.close()


async def body_of(client: GuardedClient, url: str) -> bytes:
    async with client.stream(url) as response:
        return b"".join([chunk async for chunk in response.chunks])


async def test_a_body_arrives_as_it_was_sent(client: GuardedClient, double: WebDouble, base: str) -> None:
    double.put("a.jpg", b"a" * 300_000)
    async with client.stream(f"{base}/pictures/a.jpg") as response:
        chunks = [chunk async for chunk in response.chunks]
        assert (response.status, response.size, response.host) == (200, 300_000, LOOPBACK)
        assert response.headers["etag"].startswith('"')
    assert b"".join(chunks) == b"a" * 300_000
    assert max(map(len, chunks)) <= 64 * 1024


async def test_a_chunked_body_arrives_too(client: GuardedClient, double: WebDouble, base: str) -> None:
    double.put("a.jpg", b"a" * 300_000)
    async with client.stream(f"{base}/chunked/a.jpg") as response:
        assert response.size is None
        assert sum([len(chunk) async for chunk in response.chunks]) == 300_000


async def test_nothing_is_sent_once_it_is_closed(client: GuardedClient, double: WebDouble, base: str) -> None:
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await body_of(client, f"{base}/pictures/a.jpg")
    assert double.behaviour.asked == []


async def test_only_what_is_needed_is_sent(client: GuardedClient, double: WebDouble, base: str) -> None:
    double.put("a.jpg", b"a")
    for _ in range(2):
        await body_of(client, f"{base}/pictures/a.jpg")
    assert [set(headers) for headers in double.headers] == [{"host", "user-agent", "accept", "accept-encoding"}] * 2
    assert double.headers[0]["accept-encoding"] == "identity"


async def test_no_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, client: GuardedClient, double: WebDouble, base: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    double.put("a.jpg", b"a")
    assert await body_of(client, f"{base}/pictures/a.jpg") == b"a"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://localhost./", "http://2130706433/", "http://0x7f.1/",
        "http://127.1/", "http://017700000001/", "http://0/", "http://127。0。0。1/", "http://[::1]/",
        "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::]/", "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/", "http://100.64.0.1/", "http://[fd00:ec2::254]/",
        "http://[64:ff9b::169.254.169.254]/", "http://[2002:7f00:1::]/", "http://[fe80::1]/", "https://192.168.0.1:8443/",
    ],
)  # fmt: skip
async def test_private_addresses_are_refused_however_they_are_written(url: str) -> None:
    client = GuardedClient()
    with pytest.raises(AddressForbidden):
        await body_of(client, url)
    await client.close()


async def test_one_private_address_among_public_ones_is_refused() -> None:
    client = GuardedClient(resolver=Answers([PUBLIC, "10.0.0.1"]))
    with pytest.raises(AddressForbidden, match="private"):
        await body_of(client, "http://pictures.example/")
    await client.close()


async def test_dns_that_changes_between_check_and_connection_changes_nothing(double: WebDouble) -> None:
    """The name leads to a permitted server first, and to one of this host from the second lookup on."""
    async with speaking(OK) as (port, good), speaking(OK, host="127.0.0.2", port=port) as (_, internal):
        resolver = Answers([LOOPBACK], ["127.0.0.2"])
        client = GuardedClient(ONLY_LOOPBACK, resolver=resolver)
        url = f"http://rebinding.example:{port}/"
        assert await body_of(client, url) == b"ok"
        assert resolver.asked == ["rebinding.example"]  # one lookup for the check and the connection
        assert b"Host: rebinding.example:" in good[0]
        with pytest.raises(AddressForbidden):  # the connection was ended, so the next one is checked again
            await body_of(client, url)
        assert len(good) == 1
        assert internal == []
        await client.close()


async def test_the_next_address_is_tried_if_one_does_not_answer(double: WebDouble, base: str) -> None:
    double.put("a.jpg", b"a")
    client = GuardedClient(["127.0.0.0/8"], resolver=Answers(["127.0.0.9", LOOPBACK]))
    assert await body_of(client, f"http://pictures.example:{urlsplit(base).port}/pictures/a.jpg") == b"a"
    await client.close()


async def test_a_host_without_an_address_is_unknown() -> None:
    client = GuardedClient(resolver=Answers([]))
    with pytest.raises(UnknownHost):
        await body_of(client, "http://pictures.example/")
    await client.close()


async def test_tls_goes_by_the_name_that_was_asked_for(tmp_path: Path) -> None:
    server, trusting = certificate("pictures.example", tmp_path)
    async with speaking(OK, tls=server) as (port, heads):
        client = GuardedClient(ONLY_LOOPBACK, resolver=Answers([LOOPBACK]), tls=trusting)
        assert await body_of(client, f"https://pictures.example:{port}/") == b"ok"
        assert f"Host: pictures.example:{port}".encode() in heads[0]
        assert await body_of(client, f"https://pictures.example.:{port}/") == b"ok"
        with pytest.raises(RequestFailed, match="certificate"):
            await body_of(client, f"https://other.example:{port}/")
        assert len(heads) == 2
        await client.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(client: GuardedClient, double: WebDouble, base: str, status: int) -> None:
    double.put("ü.jpg", b"a")
    hosts: list[str] = []

    async def before(host: str) -> None:
        hosts.append(host)

    async with client.stream(f"{base}/redirect?to=/pictures/ü.jpg&status={status}", before=before) as response:
        assert response.url == f"{base}/pictures/%C3%BC.jpg"
        assert [chunk async for chunk in response.chunks] == [b"a"]
    assert hosts == [LOOPBACK, LOOPBACK]


@pytest.mark.parametrize(
    ("location", "refused"),
    [
        ("http://127.0.0.2/", AddressForbidden),
        ("http://169.254.169.254/latest/meta-data/", AddressForbidden),
        ("http://[::ffff:7f00:2]/", AddressForbidden),
        ("//2130706434/", AddressForbidden),
        ("file:///etc/passwd", RedirectRefused),
        ("http://user:secret@example.com/", RedirectRefused),
        ("http://127.0.0.1:22/", RedirectRefused),
    ],
)
async def test_redirects_are_judged_like_the_first_request(
    client: GuardedClient, base: str, location: str, refused: type[Exception]
) -> None:
    with pytest.raises(refused) as error:
        await body_of(client, f"{base}/redirect?to={quote(location)}")
    assert "secret" not in str(error.value)


async def test_redirects_from_https_to_http_are_refused(tmp_path: Path, base: str) -> None:
    server, trusting = certificate("pictures.example", tmp_path)
    answer = f"HTTP/1.1 302 Found\r\nLocation: {base}/\r\nContent-Length: 0\r\n\r\n".encode()
    async with speaking(answer, tls=server) as (port, _):
        client = GuardedClient(ONLY_LOOPBACK, resolver=Answers([LOOPBACK]), tls=trusting)
        with pytest.raises(RedirectRefused, match="from https to http"):
            await body_of(client, f"https://pictures.example:{port}/")
        await client.close()


async def test_redirects_end(client: GuardedClient, base: str) -> None:
    asked = 0

    async def before(_: str) -> None:
        nonlocal asked
        asked += 1

    with pytest.raises(RedirectRefused, match="more than 5 times"):
        async with client.stream(f"{base}/redirects/0", before=before):
            pass
    assert asked == 6


async def test_a_redirect_without_an_address_is_an_answer(client: GuardedClient) -> None:
    async with (
        speaking(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n") as (port, _),
        client.stream(f"http://{LOOPBACK}:{port}/") as response,
    ):
        assert response.status == 302


async def test_cookies_are_not_carried_on(client: GuardedClient) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with speaking(answer) as (port, heads):
        with pytest.raises(RedirectRefused):
            await body_of(client, f"http://{LOOPBACK}:{port}/")
    assert len(heads) == 6
    assert not any(b"cookie" in head.lower() for head in heads)


@pytest.mark.unmeasured
async def test_a_huge_body_is_given_up_early_and_never_held(client: GuardedClient, base: str) -> None:
    process = psutil.Process()
    read = 0
    async with asyncio.timeout(60), client.stream(f"{base}/zeros/{10 * 1024 * MEGABYTE}") as response:
        assert response.size == 10 * 1024 * MEGABYTE
        before = process.memory_info().rss
        async for chunk in response.chunks:
            read += len(chunk)
            if read > 100 * MEGABYTE:
                break
    assert process.memory_info().rss - before < 50 * MEGABYTE
    assert await body_of(client, f"{base}/zeros/10") == bytes(10)


async def test_compressed_bodies_are_refused_unread(client: GuardedClient, base: str) -> None:
    """Ten gigabytes would come out of it."""
    async with client.stream(f"{base}/compressed/10000") as response:
        assert response.status == 200
        with pytest.raises(EncodingRefused, match="gzip"):
            await anext(response.chunks)


async def test_compressed_transfer_is_refused(client: GuardedClient) -> None:
    async with speaking(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n") as (port, _):
        with pytest.raises(RequestFailed):
            await body_of(client, f"http://{LOOPBACK}:{port}/")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nshort!",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"",
    ],
    ids=["cut off", "chunks cut off", "no chunks", "two lengths", "huge header", "not HTTP", "nothing"],
)
async def test_what_is_broken_fails(client: GuardedClient, answer: bytes) -> None:
    async with speaking(answer) as (port, _):
        with pytest.raises(RequestFailed, match=LOOPBACK):
            await body_of(client, f"http://{LOOPBACK}:{port}/")


async def test_many_headers_fail(client: GuardedClient, base: str) -> None:
    with pytest.raises(RequestFailed):
        await body_of(client, f"{base}/headers/{MEGABYTE}")


async def test_nobody_listening_fails(client: GuardedClient) -> None:
    async with speaking(OK) as (port, _):
        pass
    with pytest.raises(RequestFailed, match="cannot be reached"):
        await body_of(client, f"http://{LOOPBACK}:{port}/")


@pytest.mark.parametrize(
    ("path", "patience"),
    [
        ("silence", Patience(read=0.2)),
        ("silence", Patience(total=0.2)),
        ("endless", Patience(total=0.5)),
        ("pictures/slow.jpg", Patience(read=0.2)),
        ("pictures/slow.jpg", Patience(answer=0.2)),
        ("pictures/slow.jpg", Patience(total=0.2)),
    ],
)
async def test_every_wait_is_limited(double: WebDouble, base: str, path: str, patience: Patience) -> None:
    double.behaviour.misbehave(Fault(kind="slow", seconds=60))
    client = GuardedClient(ONLY_LOOPBACK, patience=patience)
    started = time.monotonic()
    with pytest.raises(RequestTimedOut):
        await body_of(client, f"{base}/{path}")
    assert time.monotonic() - started < 30
    await client.close()


async def test_crumbs_leave_time_to_others(client: GuardedClient, base: str) -> None:
    got = 0
    got_by_turn: list[int] = []

    async def other() -> None:
        while True:
            got_by_turn.append(got)
            await asyncio.sleep(0)

    crumbs = b"1\r\nx\r\n" * 10_000
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + crumbs + b"0\r\n\r\n"
    async with speaking(answer) as (port, _):
        others = asyncio.create_task(other())
        async with client.stream(f"http://{LOOPBACK}:{port}/") as response:
            async for chunk in response.chunks:
                got += len(chunk)
        others.cancel()
    assert got == 10_000
    assert max(later - earlier for earlier, later in pairwise(got_by_turn)) <= 200


async def test_a_url_is_judged_before_anything_is_asked() -> None:
    resolver = Answers([PUBLIC])
    client = GuardedClient(resolver=resolver)
    with pytest.raises(UrlRefused):
        await body_of(client, "http://user:secret@example.com/")
    assert resolver.asked == []
    await client.close()


async def test_a_kept_connection_that_the_host_has_ended_is_replaced(client: GuardedClient) -> None:
    """The server hangs up after each answer, without having said so: whether the client knows is up to chance."""
    async with speaking(OK) as (port, heads):
        for _ in range(50):
            assert await body_of(client, f"http://{LOOPBACK}:{port}/") == b"ok"
    assert len(heads) == 50


@pytest.mark.parametrize(
    "answer", [b"\x1b[31m" + b"x" * 50_000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nX" + b"\x00y" * 20_000 + b"\r\n\r\n"]
)
async def test_what_a_host_says_is_quoted_briefly(client: GuardedClient, answer: bytes) -> None:
    async with speaking(answer) as (port, _):
        with pytest.raises(RequestFailed) as failed:
            await body_of(client, f"http://{LOOPBACK}:{port}/")
    assert len(str(failed.value)) < 400
    assert str(failed.value).isprintable()
