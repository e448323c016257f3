"""Lists of URLs as a source, over real HTTP against the double of the web."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

import pytest
from tests.unit.common.outbound.support import ONLY_LOOPBACK, Answers, speaking

from heliograph_common.outbound.resolver import Resolver
from heliograph_importer.settings import UrlSettings
from heliograph_importer.sources.port import (
    ApiKey,
    CredentialRefused,
    CursorLost,
    Folder,
    Forbidden,
    Location,
    Missing,
    NotDownloadable,
    ProviderFailed,
    QuotaExceeded,
    RemoteFile,
    Source,
    SourceError,
    Unchanged,
)
from heliograph_importer.sources.urls import UrlList
from heliograph_importer.sources.urls.source import PAGE
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.web import WebDouble

PICTURE = bytes(range(256)) * 400
DATE = "Mon, 04 May 2026 12:00:00 GMT"


class Turns:
    """A budget that notes whose turn was taken, and refuses those of ``used_up``."""

    def __init__(self, *used_up: str) -> None:
        self.taken: list[str] = []
        self._used_up = used_up

    async def spend(self, name: str = "") -> None:
        """See ``Budget``."""
        if name in self._used_up:
            raise QuotaExceeded("wait", delay=9, budget=name)
        self.taken.append(name)


@pytest.fixture
def double() -> WebDouble:
    double = WebDouble()
    double.put("a.jpg", PICTURE)
    return double


@pytest.fixture
async def base(double: WebDouble) -> AsyncIterator[str]:
    async with served(double.app) as url:
        yield url


@pytest.fixture
def budget() -> Turns:
    return Turns()


Make = Callable[..., Source]


@pytest.fixture
async def make(budget: Turns) -> AsyncIterator[Make]:
    made: list[UrlList] = []

    def source(*urls: str, allowed: list[str] = ONLY_LOOPBACK, resolver: Resolver | None = None) -> Source:
        made.append(UrlList(UrlSettings(allowed_networks=allowed), resolver=resolver))
        return made[-1].source(Location(urls=urls), None, budget)

    yield source
    for each in made:
        await each.close()


async def files_of(source: Source) -> list[RemoteFile]:
    folder, _ = await source.root()
    files: list[RemoteFile] = []
    cursor = ""
    while True:
        page = await source.list(folder, cursor)
        files += page.files
        if page.next is None:
            return files
        cursor = page.next


async def fetch(source: Source, known: str | None = None) -> tuple[bytes, str | None]:
    """The content of the only file of ``source``, and its revision."""
    [listed] = await files_of(source)
    file = RemoteFile(ref=listed.ref, name=listed.name, path=listed.path, known_revision=known)
    async with source.open(file) as download:
        return b"".join([chunk async for chunk in download.chunks]), download.revision


async def test_a_list_is_one_folder_in_pages(make: Make) -> None:
    urls = [f"https://example.com/{number}.jpg" for number in range(2 * PAGE + 1)]
    source = make(*urls)
    folder, name = await source.root()
    assert (folder.ref, folder.path, name) == ("urls", "", "URL list")
    first = await source.list(folder, "")
    assert (len(first.files), first.next, first.folders) == (PAGE, str(PAGE), ())
    assert [file.ref for file in await files_of(source)] == urls


@pytest.mark.parametrize("count", [0, 1, PAGE])
async def test_the_last_page_has_no_next_one(make: Make, count: int) -> None:
    page = await make(*(f"https://example.com/{each}" for each in range(count))).list(Folder(ref="urls"), "")
    assert (len(page.files), page.next) == (count, None)


async def test_a_cursor_that_is_none_is_lost(make: Make) -> None:
    with pytest.raises(CursorLost):
        await make("https://example.com/").list(Folder(ref="urls"), "other")


@pytest.mark.parametrize(
    ("url", "name", "path"),
    [
        ("https://example.com/a/b.jpg?token=secret", "b.jpg", "example.com/a/b.jpg"),
        ("https://example.com/", "example.com", "example.com"),
        ("https://example.com", "example.com", "example.com"),
        ("https://example.com/a/", "a", "example.com/a"),
        ("https://example.com/%E7%94%BB%E5%83%8F.png", "画像.png", "example.com/画像.png"),
        ("https://example.com/画像.png", "画像.png", "example.com/画像.png"),
        ("https://example.com/u%CC%88.png", "ü.png", "example.com/ü.png"),
        ("https://example.com/%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80.png", "👩\u200d🚀.png", "example.com/👩\u200d🚀.png"),
        ("https://example.com/a%20b+c.jpg", "a b+c.jpg", "example.com/a b+c.jpg"),
        ("https://example.com/..%2F..%2Fetc%2Fpasswd", ".._.._etc_passwd", "example.com/.._.._etc_passwd"),
        ("https://example.com/%2e%2e/a.jpg", "a.jpg", "example.com/a.jpg"),
        ("https://example.com/a%00b%0A.jpg", "a_b_.jpg", "example.com/a_b_.jpg"),
        ("https://example.com/%ff%fe.jpg", "\ufffd\ufffd.jpg", "example.com/\ufffd\ufffd.jpg"),
        ("https://example.com/" + "a" * 500, "a" * 200, "example.com/" + "a" * 200),
    ],
)
async def test_names_are_readable_and_have_no_secrets(make: Make, url: str, name: str, path: str) -> None:
    [file] = await files_of(make(url))
    assert (file.ref, file.name, file.path) == (url, name, path)
    assert (file.revision, file.skip, file.size) == (None, None, None)


async def test_a_file_is_fetched_with_its_size_and_revision(make: Make, double: WebDouble, base: str) -> None:
    source = make(f"{base}/pictures/a.jpg")
    [file] = await files_of(source)
    async with source.open(file) as download:
        assert download.size == len(PICTURE)
        assert b"".join([chunk async for chunk in download.chunks]) == PICTURE
        assert download.revision is not None
    assert "if-none-match" not in double.headers[0]


async def test_what_has_not_changed_is_not_fetched_again(make: Make, double: WebDouble, base: str) -> None:
    source = make(f"{base}/pictures/a.jpg")
    _, revision = await fetch(source)
    with pytest.raises(Unchanged):
        await fetch(source, revision)
    double.put("a.jpg", b"new")
    assert (await fetch(source, revision))[0] == b"new"


async def test_the_date_tells_where_there_is_no_strong_etag(make: Make, double: WebDouble, base: str) -> None:
    source = make(f"{base}/pictures/a.jpg")
    double.put("a.jpg", PICTURE, etag='W/"1"', modified=DATE)
    _, revision = await fetch(source)
    with pytest.raises(Unchanged):
        await fetch(source, revision)
    assert double.headers[-1]["if-modified-since"] == DATE
    double.put("a.jpg", b"new", etag='W/"1"', modified=DATE.replace("12:", "13:"))
    assert (await fetch(source, revision))[0] == b"new"


async def test_a_server_that_ignores_conditions_is_read_by_its_headers(make: Make) -> None:
    answer = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 1000000000\r\n\r\n'
    async with speaking(answer) as (port, _):
        with pytest.raises(Unchanged):
            await fetch(make(f"http://127.0.0.1:{port}/a.jpg"), 'etag "1"')


async def test_an_answer_without_revision_has_none(make: Make, double: WebDouble, base: str) -> None:
    double.put("a.jpg", PICTURE, etag=None)
    assert await fetch(make(f"{base}/pictures/a.jpg")) == (PICTURE, None)


async def test_a_304_that_was_not_asked_for_is_no_file(make: Make) -> None:
    async with speaking(b"HTTP/1.1 304 Not Modified\r\n\r\n") as (port, _):
        with pytest.raises(NotDownloadable):
            await fetch(make(f"http://127.0.0.1:{port}/a.jpg"))


@pytest.mark.parametrize("name", ["画像 ü.png", "a+b%.png", "👩‍🚀.png"])
async def test_names_of_every_kind_are_fetched(make: Make, double: WebDouble, base: str, name: str) -> None:
    double.put(name, PICTURE)
    assert (await fetch(make(f"{base}/pictures/{quote(name)}")))[0] == PICTURE


async def test_each_request_waits_for_its_host(make: Make, double: WebDouble, base: str, budget: Turns) -> None:
    other = base.replace("127.0.0.1", "localhost")
    double.put("b.jpg", b"b")
    source = make(f"{base}/redirect?to={quote(f'{other}/pictures/b.jpg')}", allowed=["127.0.0.1/32", "::1/128"])
    assert (await fetch(source))[0] == b"b"
    assert budget.taken == ["127.0.0.1", "localhost"]


async def test_a_used_up_budget_is_told(double: WebDouble, base: str) -> None:
    urls = UrlList(UrlSettings(allowed_networks=ONLY_LOOPBACK))
    source = urls.source(Location(urls=[f"{base}/pictures/a.jpg"]), None, Turns("127.0.0.1"))
    with pytest.raises(QuotaExceeded) as waits:
        await fetch(source)
    assert waits.value.delay == 9
    assert double.behaviour.asked == []
    await urls.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="rate_limited", retry_after=7), QuotaExceeded),
        (Fault(kind="quota", retry_after=7), QuotaExceeded),
        (Fault(kind="quota"), ProviderFailed),
        (Fault(kind="error", status=500), ProviderFailed),
        (Fault(kind="vanished"), Missing),
        (Fault(kind="html"), NotDownloadable),
        (Fault(kind="cut_off", bytes=50_000), ProviderFailed),
        (Fault(kind="wrong_size"), ProviderFailed),
    ],
    ids=lambda each: getattr(each, "kind", ""),
)
async def test_faults_are_told_and_pass(
    make: Make, double: WebDouble, base: str, fault: Fault, error: type[Exception]
) -> None:
    double.behaviour.misbehave(fault)
    source = make(f"{base}/pictures/a.jpg?token=secret")
    with pytest.raises(error) as failed:
        await fetch(source)
    assert "secret" not in str(failed.value)
    if isinstance(failed.value, QuotaExceeded):
        assert (failed.value.delay, failed.value.budget) == (7, "127.0.0.1")
    assert (await fetch(source))[0] == PICTURE


async def test_a_chunked_body_that_is_cut_off_fails(make: Make, double: WebDouble, base: str) -> None:
    double.behaviour.misbehave(Fault(kind="cut_off", bytes=50_000))
    source = make(f"{base}/chunked/a.jpg")
    [file] = await files_of(source)
    async with source.open(file) as download:
        with pytest.raises(ProviderFailed):
            _ = [chunk async for chunk in download.chunks]
    assert (await fetch(source))[0] == PICTURE


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/a.jpg", "http://169.254.169.254/", "http://2130706434/", "http://[::ffff:127.0.0.2]/",
        "http://10.0.0.1/", "ftp://127.0.0.1/", "http://user:secret@127.0.0.1/", "http://127.0.0.1:22/", "no URL",
    ],
)  # fmt: skip
async def test_addresses_that_no_server_should_ask_are_forbidden(make: Make, url: str) -> None:
    with pytest.raises(Forbidden) as refused:
        await fetch(make(url))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("to", ["http://127.0.0.2/", "http://169.254.169.254/", "file:///etc/passwd", "http://[::]/"])
async def test_redirects_to_them_are_forbidden_too(make: Make, base: str, to: str) -> None:
    with pytest.raises(Forbidden):
        await fetch(make(f"{base}/redirect?to={quote(to)}"))


async def test_redirects_without_an_end_are_forbidden(make: Make, base: str) -> None:
    with pytest.raises(Forbidden, match="redirects"):
        await fetch(make(f"{base}/redirects/0"))


async def test_a_name_that_comes_to_lead_to_this_host_is_forbidden(make: Make) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    async with speaking(answer) as (port, _):
        source = make(f"http://rebinding.example:{port}/", resolver=Answers(["127.0.0.1"], ["127.0.0.2"]))
        assert (await fetch(source))[0] == b"ok"
        with pytest.raises(Forbidden):
            await fetch(source)


async def test_a_gzip_bomb_is_no_file(make: Make, base: str) -> None:
    with pytest.raises(NotDownloadable, match="compressed"):
        await fetch(make(f"{base}/compressed/10000"))


async def test_a_huge_file_is_given_up_as_soon_as_the_reader_leaves(make: Make, base: str) -> None:
    source = make(f"{base}/zeros/{10 * 2**30}")
    [file] = await files_of(source)
    async with asyncio.timeout(60), source.open(file) as download:
        assert download.size == 10 * 2**30
        assert await anext(download.chunks) != b""


async def test_a_reader_that_fails_keeps_its_own_error(make: Make, base: str) -> None:
    source = make(f"{base}/pictures/a.jpg")
    [file] = await files_of(source)
    with pytest.raises(ZeroDivisionError):
        async with source.open(file):
            raise ZeroDivisionError


async def test_unknown_hosts_are_missing(make: Make) -> None:
    with pytest.raises(Missing, match="spelling"):
        await fetch(make("http://pictures.example/a.jpg", resolver=Answers([])))


async def test_a_list_takes_no_credential(budget: Turns) -> None:
    urls = UrlList(UrlSettings())
    with pytest.raises(CredentialRefused):
        urls.source(Location(urls=["https://example.com/"]), ApiKey(key="x"), budget)
    assert issubclass(CredentialRefused, SourceError)
    await urls.close()


async def test_there_is_nothing_to_probe(make: Make) -> None:
    await make("http://127.0.0.2/").probe()
