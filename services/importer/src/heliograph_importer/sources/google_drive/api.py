"""Requests of the Drive API: their fields, what the answers hold, and the errors that they mean.

A request waits for its budget, is bounded in time and size, and is made again only where the access token was renewed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from heliograph_common.errors import HeliographError
from heliograph_common.telemetry import spans
from heliograph_importer.sources.google_drive.auth import Authorization
from heliograph_importer.sources.google_drive.errors import refusal
from heliograph_importer.sources.headers import SENDABLE
from heliograph_importer.sources.port import Budget, CredentialRefused, ProviderFailed

ANSWER_SECONDS = 60.0
LARGEST_ANSWER = 64 * 1024 * 1024
LARGEST_REFUSAL = 64 * 1024
PAGE_SIZE = 1000

_FILE = (
    "id,name,mimeType,size,sha256Checksum,md5Checksum,headRevisionId,version,modifiedTime,resourceKey,trashed,driveId,"
    "capabilities/canDownload,shortcutDetails(targetId,targetMimeType,targetResourceKey)"
)


class Capabilities(msgspec.Struct, rename="camel"):
    """What the credential may do with a file."""

    can_download: bool = True


class Shortcut(msgspec.Struct, rename="camel"):
    """Where a shortcut leads."""

    target_id: str = ""
    target_mime_type: str = ""
    target_resource_key: str = ""


class File(msgspec.Struct, rename="camel"):
    """A file, folder or shortcut (``drive#file``), as far as it was asked for."""

    id: str
    name: str = ""
    mime_type: str | None = None
    size: str | None = None
    sha256_checksum: str | None = None
    md5_checksum: str | None = None
    head_revision_id: str | None = None
    version: str | None = None
    modified_time: str | None = None
    resource_key: str | None = None
    trashed: bool = False
    drive_id: str | None = None
    capabilities: Capabilities | None = None
    shortcut_details: Shortcut | None = None


class FileList(msgspec.Struct, rename="camel"):
    """A page of files."""

    files: list[File] = []
    next_page_token: str | None = None
    incomplete_search: bool = False


class SharedDrive(msgspec.Struct):
    """A shared drive."""

    name: str = ""


_Answer = TypeVar("_Answer", File, FileList, SharedDrive)


class DriveApi:
    """The API with one credential."""

    def __init__(self, http: httpx2.AsyncClient, authorization: Authorization, budget: Budget) -> None:
        self._http = http
        self._authorization = authorization
        self._budget = budget

    async def file(self, file_id: str, resource_key: str | None = None, fields: str = _FILE) -> File:
        """``files.get``."""
        query = {"fields": fields, "supportsAllDrives": "true"}
        return await self._json(f"files/{quote(file_id, safe='')}", query, _keys(file_id, resource_key), File)

    async def children(self, folder_id: str, resource_key: str | None, cursor: str) -> FileList:
        """``files.list`` of what is in a folder."""
        escaped = folder_id.replace("\\", "\\\\").replace("'", "\\'")
        query = {
            "q": f"'{escaped}' in parents and trashed=false",
            "pageSize": str(PAGE_SIZE),
            "fields": f"nextPageToken,incompleteSearch,files({_FILE})",
            "supportsAllDrives": "true",
            "includeItemsFromAllDrives": "true",
        }
        if cursor:
            query["pageToken"] = cursor
        return await self._json("files", query, _keys(folder_id, resource_key), FileList)

    async def shared_drive(self, drive_id: str) -> SharedDrive:
        """``drives.get``."""
        return await self._json(f"drives/{quote(drive_id, safe='')}", {"fields": "name"}, {}, SharedDrive)

    @asynccontextmanager
    async def content(self, file_id: str, resource_key: str | None) -> AsyncIterator[httpx2.Response]:
        """``files.get`` with ``alt=media``: the answer, its body not read yet."""
        query = {"alt": "media", "supportsAllDrives": "true"}
        # Compressed content would have another length, and might be a bomb.
        headers = {**_keys(file_id, resource_key), "Accept-Encoding": "identity"}
        response = await self._accepted(f"files/{quote(file_id, safe='')}", query, headers)
        try:
            yield response
        finally:
            await response.aclose()

    async def _json(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], kind: type[_Answer]
    ) -> _Answer:
        try:
            async with asyncio.timeout(ANSWER_SECONDS) as limit:
                response = await self._accepted(path, query, headers)
                try:
                    body = await _read(response, LARGEST_ANSWER)
                finally:
                    await response.aclose()
        except TimeoutError:
            if not limit.expired():
                raise
            raise ProviderFailed(f"Google Drive did not answer within {ANSWER_SECONDS:g} s") from None
        if len(body) > LARGEST_ANSWER:
            raise ProviderFailed("Google Drive's answer has no end")
        return _decoded(body, kind)

    async def _accepted(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> httpx2.Response:
        """The answer to a GET if it is 2xx."""
        credential = await self._authorization.headers()
        response = await self._sent(path, query, {**headers, **credential})
        if response.is_success:
            return response
        error = await _refused(response)
        if response.status_code == 401 and await self._authorization.renew(credential):
            response = await self._sent(path, query, {**headers, **await self._authorization.headers()})
            if response.is_success:
                return response
            error = await _refused(response)
        raise error

    async def _sent(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> httpx2.Response:
        await self._budget.spend()
        try:
            request = self._http.build_request("GET", path, params=query, headers=headers)
        except UnicodeEncodeError:
            raise unsendable() from None
        with spans.http_span("GET", request.url.host, request.url.port, _template(path)) as answered:
            try:
                response = await self._http.send(request, stream=True)
            except httpx2.LocalProtocolError:
                raise unsendable() from None
            except httpx2.HTTPError as error:
                raise unreachable(error) from error
            answered(response.status_code)
            return response


def unsendable() -> CredentialRefused:
    """What it means that a request cannot be written down. The error itself has the secret in it."""
    return CredentialRefused(
        "The credential has characters that none has: get a new token, or have an administrator check it"
    )


def unreachable(error: httpx2.HTTPError) -> ProviderFailed:
    """What a connection's failure means."""
    return ProviderFailed(f"No complete answer from Google Drive ({type(error).__name__})")


async def _refused(response: httpx2.Response) -> HeliographError:
    try:
        body = await _read(response, LARGEST_REFUSAL)
    finally:
        await response.aclose()
    return refusal(response.status_code, response.headers, body)


async def _read(response: httpx2.Response, limit: int) -> bytes:
    """The body, or a little more than ``limit`` of it."""
    body = bytearray()
    try:
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    break
    except httpx2.HTTPError as error:
        raise unreachable(error) from error
    return bytes(body)


def _decoded(body: bytes, kind: type[_Answer]) -> _Answer:
    try:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # halves of surrogate pairs in names, which the standard library takes
            return msgspec.convert(json.loads(body), type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProviderFailed("Google Drive's answer is not the JSON that was asked for") from error


def _template(path: str) -> str:
    """``files/{id}`` of ``files/0AbC``."""
    collection, slash, _ = path.partition("/")
    return f"{collection}/{{id}}" if slash else collection


def _keys(file_id: str, resource_key: str | None) -> dict[str, str]:
    """What is no key is left out, so that only a credential can make a request one that cannot be sent."""
    pair = f"{file_id}/{resource_key}"
    return {"X-Goog-Drive-Resource-Keys": pair} if resource_key and SENDABLE.fullmatch(pair) else {}
