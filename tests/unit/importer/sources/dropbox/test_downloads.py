"""Fetching files of Dropbox: as a stream, whole or not at all."""

from __future__ import annotations

import asyncio
import json
import threading
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from tests.polling import until
from tests.unit.importer.sources.dropbox.support import content_of, dropbox_world, everything

from heliograph_common.errors import Temporary
from heliograph_importer.settings import DropboxSettings
from heliograph_importer.sources.dropbox import Dropbox
from heliograph_importer.sources.dropbox.content import Content
from heliograph_importer.sources.port import (
    Download,
    Location,
    Missing,
    NotDownloadable,
    OAuthToken,
    ProviderFailed,
    RemoteFile,
)
from heliograph_local.doubles.dropbox import Folder as Held
from heliograph_local.doubles.faults import Fault

LARGE = b"0123456789abcdef" * (64 << 10)
"""1 MiB."""


@pytest.mark.parametrize("size", [0, 1, 1000, len(LARGE)])
async def test_a_file_comes_as_it_is(size: int) -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        held.file("A/ä.jpg", LARGE[:size])
        for source in (world.shared(world.double.share(held)), world.own(world.double.account(held))):
            [file] = await everything(source)
            async with source.open(file) as download:
                chunks = [chunk async for chunk in download.chunks]
            assert b"".join(chunks) == LARGE[:size]
            assert all(0 < len(chunk) <= 256 << 10 for chunk in chunks)
            assert download.size == file.size == size


async def test_a_large_file_is_never_in_memory_as_a_whole() -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        held.file("large.tif", LARGE, times=64)
        source = world.shared(world.double.share(held))
        [file] = await everything(source)
        tracemalloc.start()
        try:
            async with source.open(file) as download:
                size = sum([len(chunk) async for chunk in download.chunks])
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size == 64 << 20
        assert most < 16 << 20


async def test_many_files_at_once_share_few_threads() -> None:
    before = set(threading.enumerate())
    async with dropbox_world(threads=2) as world:
        held = Held(name="Holidays")
        for number in range(20):
            held.file(f"{number}.jpg", str(number).encode() * 1000)
        source = world.shared(world.double.share(held))
        found = await everything(source)
        contents = await asyncio.gather(*(content_of(source, file) for file in found))
        assert contents == [file.name.removesuffix(".jpg").encode() * 1000 for file in found]
        started = set(threading.enumerate()) - before
        assert len([thread for thread in started if thread.name.startswith("dropbox")]) <= 2


@pytest.mark.parametrize("sent", [0, 1, 100_000])
async def test_a_download_that_is_cut_off_is_the_providers_failure(sent: int) -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        held.file("a.jpg", LARGE)
        source = world.shared(world.double.share(held))
        [file] = await everything(source)
        world.double.behaviour.misbehave(Fault(kind="cut_off", about="a.jpg", bytes=sent))
        with pytest.raises(ProviderFailed):
            await content_of(source, file)
        assert await content_of(source, file) == LARGE


async def test_a_size_that_lies_is_the_providers_failure() -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        held.file("a.jpg", b"content")
        source = world.shared(world.double.share(held))
        world.double.behaviour.misbehave(
            Fault(kind="wrong_size", call="files/list_folder", about="a.jpg"),
            Fault(kind="wrong_size", call="sharing/get_shared_link_file", about="a.jpg"),
        )
        [file] = await everything(source)
        assert file.size == 15
        with pytest.raises(ProviderFailed, match="7 bytes of a file of 15"):
            await content_of(source, file)
        assert await content_of(source, file) == b"content"


async def test_a_file_that_vanished() -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        held.file("a.jpg", b"a")
        held.file("b.jpg", b"b")
        for source in (world.shared(world.double.share(held)), world.own(world.double.account(held))):
            first, second = await everything(source)
            world.double.behaviour.misbehave(Fault(kind="vanished", about="a.jpg"))
            with pytest.raises(Missing):
                await content_of(source, first)
            assert await content_of(source, second) == b"b"


async def test_a_file_that_became_something_else() -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        file = held.file("a.jpg", b"a")
        shared, own = world.shared(world.double.share(held)), world.own(world.double.account(held))
        [by_link], [by_path] = await everything(shared), await everything(own)
        file.exported_as = "docx"
        with pytest.raises(NotDownloadable, match="exported"):
            await content_of(own, by_path)
        held.remove("a.jpg")
        folder = held.folder("a.jpg")
        with pytest.raises(NotDownloadable, match="folder now"):
            await content_of(shared, by_link)
        with pytest.raises(NotDownloadable, match="folder now"):
            await content_of(own, RemoteFile(ref=folder.id, name="a.jpg", path="a.jpg"))


async def test_a_call_that_fails_leaves_downloads_in_the_same_thread_alone() -> None:
    async with dropbox_world(threads=1) as world:
        held = Held(name="Holidays")
        held.file("a.jpg", LARGE, times=4)
        source = world.shared(world.double.share(held))
        [file] = await everything(source)
        async with source.open(file) as download:
            size = 0
            for fault in (Fault(kind="quota"), Fault(kind="error"), Fault(kind="html")):
                size += len(await anext(download.chunks))
                world.double.behaviour.misbehave(fault)
                with pytest.raises(Temporary):
                    await source.root()
            size += sum([len(chunk) async for chunk in download.chunks])
        assert size == 4 * len(LARGE)


async def test_leaving_early_ends_the_download_and_frees_its_thread() -> None:
    async with dropbox_world(threads=1) as world:
        held = Held(name="Holidays")
        held.file("large.tif", LARGE, times=1000)
        held.file("small.jpg", b"small")
        source = world.shared(world.double.share(held))
        large, small = await everything(source)
        async with source.open(large) as download:
            content = download.chunks
            assert await anext(content)
        assert isinstance(content, Content)
        await until(lambda: content._response.raw.closed)
        assert await content_of(source, small) == b"small"


async def test_a_consumer_that_fails_ends_the_download() -> None:
    async with dropbox_world(threads=1) as world:
        held = Held(name="Holidays")
        held.file("large.tif", LARGE, times=1000)
        source = world.shared(world.double.share(held))
        [large] = await everything(source)
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                await _read_and_fail(source.open(large))
        assert (await source.root())[1] == "Holidays"


async def test_cancelling_while_dropbox_is_slow_frees_the_waiting() -> None:
    """The thread itself goes on until Dropbox answers; what it gets then is closed."""
    async with dropbox_world(threads=1) as world:
        held = Held(name="Holidays")
        held.file("a.jpg", b"a")
        source = world.shared(world.double.share(held))
        [file] = await everything(source)
        world.double.behaviour.misbehave(Fault(kind="slow", call="sharing/get_shared_link_file", seconds=0.5))
        task = asyncio.create_task(content_of(source, file))
        await until(lambda: world.calls().count("sharing/get_shared_link_file") == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await content_of(source, file) == b"a"


async def test_cancelling_in_the_middle_of_a_stalled_download_frees_its_thread() -> None:
    """A thread that waits for the next packet is woken: it does not wait for its time limit."""
    async with _stalling_server() as (url, stalled), dropbox_world() as world:
        held = Held(name="Holidays")
        file = held.file("a.jpg", b"a" * 1000)
        settings = DropboxSettings(api_url=url, content_url=url)
        provider = Dropbox(settings, threads=1)
        source = provider.source(Location(link={"path": ""}), OAuthToken(access_token="any"), world.budget)
        task = asyncio.create_task(content_of(source, RemoteFile(ref=file.id, name="a.jpg", path="a.jpg")))
        await stalled.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):  # the time limit between two packets is 30 s
            await provider._threads.run(lambda: None)
        await provider.close()


async def _read_and_fail(opened: AbstractAsyncContextManager[Download]) -> None:
    async with opened as download:
        async for _ in download.chunks:
            _ = 1 / 0


@asynccontextmanager
async def _stalling_server() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Begins a download of 1,000 bytes and sends 10 of them."""
    stalled, over = asyncio.Event(), asyncio.Event()
    at = "2026-01-02T03:04:05Z"
    told = json.dumps(
        {"name": "a.jpg", "id": "id:1", "client_modified": at, "server_modified": at, "rev": "123456789", "size": 1000}
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"HTTP/1.1 200 OK\r\nDropbox-API-Result: {told}\r\nContent-Length: 1000\r\n\r\n0123456789".encode()
        )
        await writer.drain()
        await asyncio.sleep(0.2)  # until the thread waits for more
        stalled.set()
        await over.wait()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", stalled
        over.set()
