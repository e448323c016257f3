"""Google's own client reads the double: what it serves is no invention of ours."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httplib2  # type: ignore[import-untyped]
import pytest
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp  # type: ignore[import-untyped]
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload

from heliograph_local.doubles.google_drive import ANYONE, DriveDouble
from heliograph_local.doubles.google_drive.accounts import API_KEY, CLIENT_ID, CLIENT_SECRET
from heliograph_local.doubles.google_drive.discovery import document
from heliograph_local.doubles.serving import served

ADA = "ada@example.com"


@contextmanager
def client(url: str, credentials: Any = None) -> Iterator[Any]:
    """Google's client of the double at ``url``, with an API key or the credentials of a user."""
    http = httplib2.Http(timeout=10, proxy_info=None)
    options = {"api_endpoint": f"{url}/drive/v3/"}
    if credentials is None:
        made = build_from_document(dict(document()), http=http, developerKey=API_KEY, client_options=options)
    else:
        made = build_from_document(
            dict(document()), http=AuthorizedHttp(credentials, http=http), client_options=options
        )
    with made:
        yield made
    http.close()


def listed(drive: Any, folder_id: str) -> list[dict[str, Any]]:
    """All files of a folder, as Google's own samples list them."""
    files: list[dict[str, Any]] = []
    request = drive.files().list(
        q=f"'{folder_id}' in parents and trashed = false",
        fields="nextPageToken, files(id, name, size, md5Checksum)",
        supportsAllDrives=True,
        includeItemsFromAllDrives=True,
    )
    while request is not None:
        answer = request.execute()
        files += answer["files"]
        request = drive.files().list_next(request, answer)
    return files


def downloaded(drive: Any, file_id: str) -> bytes:
    """The content of a file, in ranges of 1,000 bytes."""
    content = io.BytesIO()
    download = MediaIoBaseDownload(content, drive.files().get_media(fileId=file_id), chunksize=1000)
    done = False
    while not done:
        _, done = download.next_chunk()
    return content.getvalue()


async def test_it_lists_and_downloads_with_an_api_key() -> None:
    double = DriveDouble(largest_page=3)
    top = double.tree.folder("Top", shared=ANYONE)
    made = double.tree.pictures(7, top)

    def use(url: str) -> None:
        with client(url) as drive:
            assert drive.files().get(fileId=top.id).execute()["name"] == "Top"
            files = listed(drive, top.id)
            assert [file["id"] for file in files] == [item.id for item in made]
            content = downloaded(drive, made[0].id)
            assert len(content) == int(files[0]["size"]) > 1000
            assert made[0].content is not None
            assert content == b"".join(made[0].content.chunks())

    async with served(double.app) as url:
        await asyncio.to_thread(use, url)
    assert double.behaviour.violations == []


async def test_it_renews_a_token_and_reads_a_shared_drive() -> None:
    double = DriveDouble()
    top = double.tree.shared_drive("Marketing", ADA)
    double.tree.picture("one.jpg", top)
    refresh = double.accounts.refresh_token(ADA)

    def use(url: str) -> None:
        credentials = Credentials(  # type: ignore[no-untyped-call]
            "withdrawn",
            refresh_token=refresh,
            token_uri=f"{url}/token",
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
        )
        with client(url, credentials) as drive:
            assert drive.drives().get(driveId=top.id).execute()["name"] == "Marketing"
            assert [file["name"] for file in listed(drive, top.id)] == ["one.jpg"]

    async with served(double.app) as url:
        await asyncio.to_thread(use, url)
    assert double.behaviour.violations == []
    assert [asked.call for asked in double.behaviour.asked].count("token") == 1


async def test_it_understands_the_refusals() -> None:
    double = DriveDouble()
    hidden = double.tree.folder("Hidden")
    locked = double.tree.picture("locked.jpg", None, shared=ANYONE, can_download=False)

    def use(url: str) -> None:
        with client(url) as drive:
            with pytest.raises(HttpError) as missing:
                drive.files().get(fileId=hidden.id).execute()
            assert missing.value.status_code == 404
            assert missing.value.reason == f"File not found: {hidden.id}."
            with pytest.raises(HttpError) as refused:
                downloaded(drive, locked.id)
            assert refused.value.error_details[0]["reason"] == "cannotDownloadFile"

    async with served(double.app) as url:
        await asyncio.to_thread(use, url)
