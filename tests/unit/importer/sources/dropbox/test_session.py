"""Answers that are none of Dropbox, which a proxy or a wrong base URL may give."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from tests.unit.importer.sources.dropbox.support import CountedBudget, content_of

from heliograph_importer.settings import DropboxSettings
from heliograph_importer.sources.dropbox import Dropbox
from heliograph_importer.sources.dropbox.session import Session
from heliograph_importer.sources.dropbox.source import DropboxSource
from heliograph_importer.sources.port import Folder, Location, OAuthToken, ProviderFailed, RemoteFile
from heliograph_local.doubles.serving import served

FILE = RemoteFile(ref="id:1", name="a.jpg", path="a.jpg")
AT = "2026-01-02T03:04:05Z"
LISTED = {"entries": [], "cursor": "c", "has_more": False}
TOLD = {"name": "a.jpg", "id": "id:1", "client_modified": AT, "server_modified": AT, "rev": "123456789", "size": 7}
DOWNLOAD = {"dropbox-api-result": json.dumps(TOLD)}
HEADERS = {"content-type": "application/json; charset=utf-8"}


@asynccontextmanager
async def answering(response: Response) -> AsyncIterator[tuple[DropboxSource, list[Request]]]:
    """A user's Dropbox of which every request has this answer, and the requests."""
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return response

    async with served(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])) as url:
        provider = Dropbox(DropboxSettings(api_url=url, content_url=url), threads=1)
        token = OAuthToken(access_token="token")
        yield provider.source(Location(link={"path": ""}), token, CountedBudget()), asked
        await provider.close()


def answer(body: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(json.dumps(body), headers=headers or HEADERS)


async def test_a_content_type_may_have_parameters() -> None:
    async with answering(answer(LISTED)) as (source, asked):
        assert (await source.list(Folder(ref=""), "")).next is None
        assert asked[0].headers["accept-encoding"] == "identity"
        assert asked[0].headers["authorization"] == "Bearer token"
        assert asked[0].headers["user-agent"].startswith("heliograph/")


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        None,
        {},
        {"entries": None, "cursor": "c", "has_more": False},
        {"entries": [{".tag": "file", "name": "a"}], "cursor": "c", "has_more": False},
        {"entries": [5], "cursor": "c", "has_more": False},
    ],
)
async def test_json_that_is_no_listing(body: object) -> None:
    async with answering(answer(body)) as (source, _):
        with pytest.raises(ProviderFailed, match="not one of the Dropbox API"):
            await source.list(Folder(ref=""), "")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=["empty", "begun", "binary", "nested"])
@pytest.mark.usefixtures("no_garbage_collection")
async def test_what_is_no_json(body: bytes) -> None:
    async with answering(Response(body, headers=HEADERS)) as (source, _):
        with pytest.raises(ProviderFailed):
            await source.list(Folder(ref=""), "")


async def test_deleted_entries_are_left_out() -> None:
    async with answering(answer(LISTED | {"entries": [{".tag": "deleted", "name": "b"}]})) as (source, _):
        page = await source.list(Folder(ref=""), "")
        assert (page.files, page.folders) == ([], [])


async def test_fields_that_are_newer_than_the_sdk_do_no_harm() -> None:
    async with answering(answer(LISTED | {"entries": [TOLD | {".tag": "file", "newer": 1}]})) as (source, _):
        [file] = (await source.list(Folder(ref=""), "")).files
        assert (file.ref, file.revision) == ("id:1", "123456789")  # there is no hash


async def test_an_answer_without_end_is_not_taken() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    async with answering(Response(bomb, headers=HEADERS | {"content-encoding": "gzip"})) as (source, _):
        with pytest.raises(ProviderFailed, match="too large"):
            await source.list(Folder(ref=""), "")


async def test_redirects_are_not_followed() -> None:
    async with answering(Response(status_code=307, headers={"location": "/elsewhere"})) as (source, asked):
        with pytest.raises(ProviderFailed, match="307"):
            await source.list(Folder(ref=""), "")
        assert len(asked) == 1


async def test_a_download_that_was_compressed_on_the_way() -> None:
    headers = DOWNLOAD | {"content-encoding": "gzip"}
    async with answering(Response(gzip.compress(b"content"), headers=headers)) as (source, _):
        with pytest.raises(ProviderFailed, match="compressed"):
            await content_of(source, FILE)


@pytest.mark.parametrize(
    "headers", [{}, {"dropbox-api-result": "{"}, {"dropbox-api-result": "{}"}, {"dropbox-api-result": "[]"}]
)
async def test_a_download_without_metadata(headers: dict[str, str]) -> None:
    async with answering(Response(b"content", headers=headers)) as (source, _):
        with pytest.raises(ProviderFailed, match="not one of the Dropbox API"):
            await content_of(source, FILE)


@pytest.mark.parametrize(("sent", "right"), [(b"content", True), (b"conten", False), (b"contents", False)])
async def test_a_download_whose_header_has_no_length(sent: bytes, right: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield sent

    async with answering(StreamingResponse(pieces(), headers=DOWNLOAD)) as (source, _):
        if right:
            assert await content_of(source, FILE) == sent
        else:
            with pytest.raises(ProviderFailed, match="bytes of a file of 7"):
                await content_of(source, FILE)


@pytest.mark.parametrize(
    "url", ["https://notify.dropboxapi.com/2/x", "http://api.dropboxapi.com/2/x", "http://127.0.0.1/"]
)
def test_no_other_host_is_reached(url: str) -> None:
    session = Session(api_url="http://a.test", content_url="http://b.test", connections=1)
    with pytest.raises(ProviderFailed, match="no setting"):
        session.post(url)
