"""One suite over all sources of imports: each adapter over the double of its provider, real HTTP in between, and the
provider in memory. What is a vendor's own is tested in ``tests/unit/importer/sources``."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

import pytest
from tests.polling import until
from tests.ports.sources import CALLS, HARNESSES, Harness, OverHttp

from heliograph_common.contracts.links.registry import SOURCES
from heliograph_importer.sources.port import Folder, Missing, Page, ProviderFailed, QuotaExceeded, RemoteFile, Source
from heliograph_local.doubles.faults import Fault, Kind

LARGE = 64 << 20
"""Bytes of a file that does not fit into the buffers between a double and its reader."""
LARGEST_CHUNK = 256 << 10
NAMES = (
    "plain.jpg",
    "Gr\u00fc\u00dfe aus K\u00f6ln.jpg",  # composed
    "Gru\u0308\u00dfe aus Bonn.jpg",  # decomposed
    "\u5199\u771f.jpg",
    "\u0635\u0648\u0631\u0629 \u05ea\u05de\u05d5\u05e0\u05d4.jpg",  # from right to left
    "\U0001f469\u200d\U0001f680 \U0001f1eb\U0001f1ee.jpg",  # joined, and beyond the first plane
    "\u0e23\u0e39\u0e1b\u0e20\u0e32\u0e1e.jpg",
    "100% #1?&+;=@.jpg",
    "a 'quoted' \u201cname\u201d {and} [more].jpg",
    "..leading and trailing dots...",
    f"{'long' * 45}.jpg",
)

Call = Callable[[Source], Awaitable[object]]


@pytest.fixture(params=HARNESSES, ids=lambda kind: kind.name)
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """Each, while its provider answers."""
    async with request.param().running() as running:
        yield running


def of(kinds: Iterable[type[Harness]]) -> pytest.MarkDecorator:
    """Only these."""
    return pytest.mark.parametrize("harness", list(kinds), indirect=True, ids=lambda kind: kind.name)


async def pages_of(source: Source, folder: Folder) -> list[Page]:
    """All pages of one folder."""
    found = [await source.list(folder, "")]
    while (cursor := found[-1].next) is not None:
        found.append(await source.list(folder, cursor))
    return found


async def everything(source: Source) -> list[RemoteFile]:
    """All files, as the importer walks."""
    files: list[RemoteFile] = []
    waiting = [(await source.root())[0]]
    while waiting:
        for page in await pages_of(source, waiting.pop(0)):
            files += page.files
            waiting += page.folders
    return files


async def content(source: Source, file: RemoteFile) -> bytes:
    async with source.open(file) as download:
        return b"".join([chunk async for chunk in download.chunks])


async def calls_of(source: Source) -> Mapping[str, Call]:
    """Each method, about things that there are; ``open`` reads on to the end."""
    folder, _ = await source.root()
    (file, *_) = (await source.list(folder, "")).files
    return {
        "root": lambda of: of.root(),
        "list": lambda of: of.list(folder, ""),
        "open": lambda of: content(of, file),
        "probe": lambda of: of.probe(),
    }


def test_every_source_of_the_api_is_here() -> None:
    assert set(SOURCES) <= {kind.name for kind in HARNESSES}


async def test_the_folder_that_is_imported_and_its_name(harness: Harness) -> None:
    folder, name = await harness.source().root()
    assert (name, folder.path) == (harness.title, "")
    assert folder.ref
    (page,) = await pages_of(harness.source(), folder)
    assert [*page.files, *page.folders] == []


async def test_pages_have_every_file_once_and_in_the_end_no_cursor(harness: Harness) -> None:
    names = {f"{number:05}.jpg" for number in range(2 * harness.per_page + 1)}
    for name in names:
        harness.put(name, name.encode())
    source = harness.source()
    folder, _ = await source.root()
    pages = await pages_of(source, folder)

    assert [len(page.files) for page in pages] == [harness.per_page, harness.per_page, 1]
    files = [file for page in pages for file in page.files]
    assert {file.name for file in files} == names
    assert len({file.ref for file in files}) == len(files) == len(names)
    assert all(page.next != "" for page in pages)  # which is that of the first
    again = await source.list(folder, pages[0].next or "")  # after a crash
    assert [file.ref for file in again.files] == [file.ref for file in pages[1].files]


async def test_the_next_import_finds_the_same_files(harness: Harness) -> None:
    for number in range(2):
        harness.put(f"{number}.jpg", b"picture")
    first, second = [await everything(harness.source()) for _ in range(2)]
    assert [(file.ref, file.revision) for file in first] == [(file.ref, file.revision) for file in second]


@of(kind for kind in HARNESSES if kind.has_folders)
async def test_folders_within_are_listed_as_folders_with_their_paths(harness: Harness) -> None:
    paths = {"a.jpg", "inner/a.jpg", "inner/deep/a.jpg", "inner/deep/b.jpg", "other/a.jpg"}
    for path in paths:
        harness.put(path, path.encode())
    source = harness.source()
    root, _ = await source.root()
    (top,) = await pages_of(source, root)
    files = await everything(source)

    assert {folder.path for folder in top.folders} == {"inner", "other"}
    assert {file.path for file in files} == paths
    assert len({file.ref for file in files}) == len(paths)
    assert {file.path: await content(source, file) for file in files} == {path: path.encode() for path in paths}


@pytest.mark.parametrize("size", [0, 1, 300_000, 2_000_001])
async def test_a_file_comes_with_its_bytes_and_their_number(harness: Harness, size: int) -> None:
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    harness.put("a.jpg", data)
    source = harness.source()
    (file,) = await everything(source)
    async with source.open(file) as download:
        chunks = [chunk async for chunk in download.chunks]

    assert b"".join(chunks) == data
    assert download.size == size
    assert file.size in {size, None}
    assert max(map(len, chunks), default=0) <= LARGEST_CHUNK


async def test_leaving_early_gives_up_the_rest(harness: Harness) -> None:
    harness.put("large.tif", bytes(LARGE))
    harness.put("small.jpg", b"small")
    source = harness.source()
    large, small = await everything(source)
    async with asyncio.timeout(60):
        async with source.open(large) as download:
            assert len(await anext(download.chunks)) < LARGE
        with pytest.raises(ZeroDivisionError):
            async with source.open(large):
                raise ZeroDivisionError

    assert await content(source, small) == b"small"
    await until(lambda: harness.received() is not None)
    received = harness.received()
    assert received is not None
    assert received < LARGE // 2


async def test_files_are_fetched_side_by_side(harness: Harness) -> None:
    wanted = {f"{number}.jpg": bytes([number]) * 100_000 for number in range(8)}
    for name, data in wanted.items():
        harness.put(name, data)
    source = harness.source()
    files = await everything(source)
    found = await asyncio.gather(*(content(source, file) for file in files))
    assert dict(zip((file.name for file in files), found, strict=True)) == wanted


async def test_names_of_all_kinds(harness: Harness) -> None:
    for name in NAMES:
        harness.put(name, name.encode())
    source = harness.source()
    files = await everything(source)
    found = {unicodedata.normalize("NFC", file.name): await content(source, file) for file in files}
    assert found == {unicodedata.normalize("NFC", name): name.encode() for name in NAMES}
    assert all(file.path.endswith(file.name) for file in files)


async def test_a_file_that_is_gone_is_missing(harness: Harness) -> None:
    harness.put("a.jpg", b"a")
    source = harness.source()
    (file,) = await everything(source)
    harness.misbehave(Fault(kind="vanished", about="a.jpg", times=-1))
    with pytest.raises(Missing):
        await content(source, file)


@pytest.mark.parametrize("stopped", [False, True], ids=["answers-503", "refuses-connections"])
async def test_a_provider_that_is_away_has_failed(harness: Harness, stopped: bool) -> None:
    harness.put("a.jpg", b"a")
    source = harness.source()
    calls = await calls_of(source)
    await source.probe()
    if stopped:
        await harness.leave()
    else:
        harness.misbehave(Fault(kind="error", status=503, times=-1))
    for name in CALLS:
        if name in harness.asking:
            with pytest.raises(ProviderFailed) as caught:
                await calls[name](source)
            assert str(caught.value)
        else:
            await calls[name](source)


@pytest.mark.parametrize(
    ("harness", "kind"),
    [pytest.param(each, kind, id=f"{each.name}-{kind}") for each in HARNESSES for kind in each.quotas],
    indirect=["harness"],
)
async def test_a_quota_says_how_long_to_wait(harness: Harness, kind: Kind) -> None:
    harness.put("a.jpg", b"a")
    source = harness.source()
    calls = await calls_of(source)
    harness.misbehave(Fault(kind=kind, retry_after=7, times=-1))
    for name in sorted({"root", "list", "open"} & set(harness.asking)):
        with pytest.raises(QuotaExceeded) as caught:
            await calls[name](source)
        assert 0 < (caught.value.delay or 0) < 86_400


@of(kind for kind in HARNESSES if kind.cuts_off)
async def test_a_body_that_is_cut_off_has_failed(harness: Harness) -> None:
    harness.put("a.jpg", bytes(100_000))
    source = harness.source()
    (file,) = await everything(source)
    harness.misbehave(Fault(kind="cut_off", bytes=70_000, times=-1))
    with pytest.raises(ProviderFailed):
        await content(source, file)


async def test_each_request_waits_for_its_turn(harness: Harness) -> None:
    harness.put("a.jpg", b"a")
    source = harness.source()
    calls = await calls_of(source)
    for name in CALLS:
        await calls[name](source)
        assert harness.budget.turns == list(range(harness.requests())), name

    before = harness.requests()
    harness.budget.used_up = True
    for name in harness.asking:
        with pytest.raises(QuotaExceeded):
            await calls[name](source)
    assert harness.requests() == before


@of(kind for kind in HARNESSES if issubclass(kind, OverHttp))
async def test_nothing_is_sent_after_the_end(harness: Harness) -> None:
    harness.put("a.jpg", b"a")
    source = harness.source()
    calls = await calls_of(source)
    before = harness.requests()
    await harness.provider.close()
    failed: dict[str, Any] = {}
    for name in harness.asking:
        try:
            await calls[name](source)
        except Exception as error:  # noqa: BLE001 - whichever
            failed[name] = error
    assert harness.requests() == before
    assert failed.keys() == set(harness.asking)
