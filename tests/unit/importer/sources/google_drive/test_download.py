"""Fetching files, and what goes wrong on the way, against the double over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from tests.unit.importer.sources.google_drive.support import Counted, Served, fetched, walk

from heliograph_importer.settings import DriveSettings
from heliograph_importer.sources.google_drive import GoogleDrive
from heliograph_importer.sources.google_drive.source import DriveSource
from heliograph_importer.sources.port import (
    AccessDenied,
    ApiKey,
    CursorLost,
    Folder,
    Location,
    Missing,
    NotDownloadable,
    ProviderFailed,
    QuotaExceeded,
    RemoteFile,
    SourceError,
)
from heliograph_local.doubles.faults import Fault, Kind
from heliograph_local.doubles.google_drive import ANYONE, Item
from heliograph_local.doubles.google_drive.tree import Content, numbered_picture
from heliograph_local.doubles.serving import served

MEGABYTE = bytes(range(256)) * 4096


@pytest.fixture
def top(drive: Served) -> Item:
    return drive.double.tree.folder("Top", shared=ANYONE)


async def test_a_file_arrives_as_it_is(drive: Served, top: Item) -> None:
    content = numbered_picture(7)
    drive.double.tree.file("seven.jpg", top, content)
    source = drive.source(top)
    [file] = await walk(source)
    async with source.open(file) as download:
        assert download.size == len(content) == file.size
        assert b"".join([chunk async for chunk in download.chunks]) == content


async def test_an_empty_file_is_no_failure(drive: Served, top: Item) -> None:
    drive.double.tree.file("empty.jpg", top, b"")
    source = drive.source(top)
    assert await fetched(source, (await walk(source))[0]) == b""


async def test_resource_keys_are_sent_for_files(drive: Served) -> None:
    top = drive.double.tree.folder("Top", shared=ANYONE, resource_key="0-top")
    drive.double.tree.file("one.jpg", top, b"content", resource_key="0-one")
    source = drive.source(top, key="0-top")
    [file] = await walk(source)
    assert await fetched(source, file) == b"content"
    with pytest.raises(Missing):
        await fetched(source, RemoteFile(ref=file.ref, name="one.jpg", path="one.jpg"))


async def test_a_large_file_comes_in_small_chunks_and_may_be_left(drive: Served, top: Item) -> None:
    size = 10_000 * len(MEGABYTE)
    drive.double.tree.file("huge.jpg", top, Content(size, lambda: (MEGABYTE for _ in range(10_000)), told=False))
    source = drive.source(top)
    [file] = await walk(source)
    assert file.size == size
    async with source.open(file) as download:
        got = 0
        async for chunk in download.chunks:
            assert len(chunk) <= 256 * 1024
            got += len(chunk)
            if got > 3 * len(MEGABYTE):
                break
    await source.probe()


async def test_what_the_caller_raises_is_not_taken_for_the_providers(drive: Served, top: Item) -> None:
    drive.double.tree.picture("one.jpg", top)
    source = drive.source(top)
    [file] = await walk(source)
    with pytest.raises(ZeroDivisionError):
        async with source.open(file):
            raise ZeroDivisionError


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"can_download": False}, "owner does not allow"),
        ({"abusive": True}, "malware"),
    ],
)
async def test_what_may_not_be_downloaded(drive: Served, top: Item, more: dict[str, bool], says: str) -> None:
    item = drive.double.tree.picture("one.jpg", top, **more)
    with pytest.raises(NotDownloadable, match=says):
        await fetched(drive.source(top), RemoteFile(ref=item.id, name="one.jpg", path="one.jpg"))


async def test_a_document_has_no_content(drive: Served, top: Item) -> None:
    item = drive.double.tree.document("plan", top)
    with pytest.raises(NotDownloadable, match="no content"):
        await fetched(drive.source(top), RemoteFile(ref=item.id, name="plan", path="plan"))


async def test_a_forbidden_and_a_deleted_file(drive: Served, top: Item) -> None:
    denied, gone = drive.double.tree.picture("a.jpg", top, denied=True), drive.double.tree.picture("b.jpg", top)
    source = drive.source(top)
    drive.double.tree.remove(gone)
    with pytest.raises(AccessDenied, match="insufficientFilePermissions"):
        await fetched(source, RemoteFile(ref=denied.id, name="a.jpg", path="a.jpg"))
    with pytest.raises(Missing):
        await fetched(source, RemoteFile(ref=gone.id, name="b.jpg", path="b.jpg"))


async def test_a_download_that_is_cut_off(drive: Served, top: Item) -> None:
    drive.double.tree.file("one.jpg", top, MEGABYTE)
    source = drive.source(top)
    [file] = await walk(source)
    drive.double.behaviour.misbehave(Fault(kind="cut_off", bytes=5000))
    with pytest.raises(ProviderFailed, match="No complete answer"):
        await fetched(source, file)
    assert await fetched(source, file) == MEGABYTE


async def test_a_vanished_file_is_listed_and_missing(drive: Served, top: Item) -> None:
    one, two = drive.double.tree.pictures(2, top)
    drive.double.behaviour.misbehave(Fault(kind="vanished", about=one.id, times=-1))
    source = drive.source(top)
    listed = await walk(source)
    assert [file.ref for file in listed] == [one.id, two.id]
    with pytest.raises(Missing):
        await fetched(source, listed[0])
    assert await fetched(source, listed[1])


async def test_a_size_that_lies_is_put_right_by_the_download(drive: Served, top: Item) -> None:
    one, two = drive.double.tree.pictures(2, top)
    drive.double.behaviour.misbehave(Fault(kind="wrong_size", about=two.id, bytes=12345))
    source = drive.source(top)
    honest, lying = await walk(source)
    assert one.content is not None
    assert two.content is not None
    assert (honest.size, lying.size) == (one.content.size, two.content.size + 12345)
    async with source.open(lying) as download:
        assert download.size == two.content.size
        assert sum([len(chunk) async for chunk in download.chunks]) == two.content.size


@pytest.mark.parametrize("kind", ["rate_limited", "quota"])
@pytest.mark.parametrize(("retry_after", "delay"), [(None, 10.0), (17.0, 17.0)])
async def test_quotas_say_how_long_to_wait(
    drive: Served, top: Item, kind: Kind, retry_after: float | None, delay: float
) -> None:
    drive.double.tree.picture("one.jpg", top)
    source = drive.source(top)
    [file] = await walk(source)
    drive.double.behaviour.misbehave(Fault(kind=kind, retry_after=retry_after, times=4))
    for request in (source.root(), source.list(Folder(ref=top.id), ""), fetched(source, file), source.probe()):
        with pytest.raises(QuotaExceeded) as waiting:
            await request
        assert (waiting.value.delay, waiting.value.budget) == (delay, None)


@pytest.mark.parametrize("fault", [Fault(kind="error", times=4, status=status) for status in (500, 502, 503, 504)])
async def test_errors_of_the_provider(drive: Served, top: Item, fault: Fault) -> None:
    await _fails_everywhere(drive, top, fault)


async def test_pages_of_html(drive: Served, top: Item) -> None:
    await _fails_everywhere(drive, top, Fault(kind="html", times=4))


async def _fails_everywhere(drive: Served, top: Item, fault: Fault) -> None:
    drive.double.tree.picture("one.jpg", top)
    source = drive.source(top)
    [file] = await walk(source)
    drive.double.behaviour.misbehave(fault)
    for request in (source.root(), source.list(Folder(ref=top.id), ""), fetched(source, file), source.probe()):
        with pytest.raises(ProviderFailed):
            await request
    assert await fetched(source, file)


async def test_a_lost_cursor(drive: Served, top: Item) -> None:
    drive.double.tree.pictures(4, top)
    source = drive.source(top)
    first = await source.list(Folder(ref=top.id), "")
    assert first.next is not None
    drive.double.behaviour.misbehave(Fault(kind="cursor_reset"))
    with pytest.raises(CursorLost):
        await source.list(Folder(ref=top.id), first.next)
    with pytest.raises(CursorLost):
        await source.list(Folder(ref=top.id), "not a cursor")
    assert len((await source.list(Folder(ref=top.id), first.next)).files) == 1


async def test_a_repeated_page_loses_no_file(drive: Served, top: Item) -> None:
    made = drive.double.tree.pictures(7, top)
    drive.double.behaviour.misbehave(Fault(kind="repeated_page", after=1))
    listed = [file.ref for file in await walk(drive.source(top))]
    assert len(listed) == 7 + 3
    assert set(listed) == {item.id for item in made}


async def test_a_slow_answer_is_waited_for(drive: Served, top: Item) -> None:
    drive.double.behaviour.misbehave(Fault(kind="slow", seconds=0.2))
    assert (await drive.source(top).root())[1] == "Top"


async def test_probing_tells_a_refusal_from_an_outage(drive: Served, top: Item) -> None:
    await drive.source(top).probe()
    await drive.source(drive.double.tree.folder("Private")).probe()
    await drive.source("1doesNotExist000").probe()
    await drive.source(top, ApiKey(key="of nobody")).probe()


async def test_each_request_spends_budget(drive: Served, top: Item) -> None:
    drive.double.tree.picture("one.jpg", top)
    source = drive.source(top)
    [file] = await walk(source)
    await fetched(source, file)
    await source.probe()
    assert drive.budget.spent == len(drive.calls()) == 4


async def test_a_server_that_is_not_there() -> None:
    provider = GoogleDrive(DriveSettings(base_url="http://127.0.0.1:9/drive/v3/"))
    source = provider.source(Location(link={"folder_id": "1x"}), ApiKey(key="k"), Counted())
    with pytest.raises(ProviderFailed, match=r"No complete answer from Google Drive \(ConnectError\)"):
        await source.root()
    await provider.close()


@asynccontextmanager
async def answering(answer: Response) -> AsyncIterator[DriveSource]:
    """A source of a server that answers this, whatever it is asked."""

    async def always(_: Request) -> Response:
        return answer

    async with served(Starlette(routes=[Route("/{path:path}", always)])) as url:
        provider = GoogleDrive(DriveSettings(base_url=f"{url}/drive/v3/"))
        yield provider.source(Location(link={"folder_id": "1x"}), ApiKey(key="k"), Counted())
        await provider.close()


async def _endless() -> AsyncIterator[bytes]:
    yield b'{"id":'
    while True:
        yield b" " * (1 << 20)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "answer",
    [
        Response(b"{", media_type="application/json"),
        Response(b"[]", media_type="application/json"),
        Response(b'{"name": 1}', media_type="application/json"),
        Response(b"", media_type="application/json"),
        Response(b"[" * 100_000, media_type="application/json"),
        Response(status_code=302, headers={"location": "https://example.org/"}),
        Response(b"Forbidden", 403, media_type="text/plain"),
        Response(b'{"error": "x"}', 404, media_type="application/json"),
        Response(b"\x1f\x8b nonsense", headers={"content-encoding": "gzip"}),
    ],
    ids=["half", "array", "no id", "nothing", "deep", "redirect", "text 403", "odd 404", "bad gzip"],
)
@pytest.mark.usefixtures("no_garbage_collection")
async def test_answers_that_are_not_drives(answer: Response) -> None:
    async with answering(answer) as source:
        with pytest.raises(ProviderFailed):
            await source.root()


async def test_an_answer_without_an_end() -> None:
    async with answering(StreamingResponse(_endless(), media_type="application/json")) as source:
        with pytest.raises(ProviderFailed, match="has no end"):
            await source.root()


async def test_a_download_that_ends_before_the_length_it_announced() -> None:
    """With chunks of their own framing, HTTP does not notice."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 10\r\nTransfer-Encoding: chunked"
        writer.write(head + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1")
    async with server:
        port = server.sockets[0].getsockname()[1]
        provider = GoogleDrive(DriveSettings(base_url=f"http://127.0.0.1:{port}/drive/v3/"))
        source = provider.source(Location(link={"folder_id": "1x"}), ApiKey(key="k"), Counted())
        with pytest.raises(ProviderFailed, match="broke off after 5 of 10 bytes"):
            await fetched(source, RemoteFile(ref="1x", name="x", path="x"))
        await provider.close()


async def test_names_with_half_a_surrogate_pair_are_readable() -> None:
    told = Response(b'{"files": [{"id": "1x", "name": "\\ud83d.jpg"}]}', media_type="application/json")
    async with answering(told) as source:
        assert [file.name for file in (await source.list(Folder(ref="1x"), "")).files] == ["\ufffd.jpg"]


@pytest.mark.parametrize(
    "body", [b'{"files": [], "incompleteSearch": true}', b'{"files": [], "nextPageToken": "same"}']
)
async def test_pages_that_would_lose_files_are_failures(body: bytes) -> None:
    async with answering(Response(body, media_type="application/json")) as source:
        with pytest.raises(ProviderFailed):
            await source.list(Folder(ref="1x"), "same")


async def test_a_request_that_drive_finds_wrong_is_permanent(drive: Served, top: Item) -> None:
    drive.double.behaviour.misbehave(Fault(kind="error", status=400))
    with pytest.raises(SourceError, match=r"refused the request \(badRequest: Bad Request\)"):
        await drive.source(top).root()
