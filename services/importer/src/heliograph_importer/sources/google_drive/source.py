"""The files of one folder of Google Drive and of the folders in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Mapping, Sequence, Set
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace

import httpx2

from heliograph_common.errors import Temporary
from heliograph_common.excerpts import excerpt
from heliograph_importer.sources.google_drive.api import DriveApi, File, unreachable
from heliograph_importer.sources.google_drive.files import (
    FOLDER,
    RESOURCE_KEY,
    SHORTCUT,
    as_folder,
    as_remote_file,
    details,
    resolved,
)
from heliograph_importer.sources.names import readable
from heliograph_importer.sources.port import (
    AccessDenied,
    Download,
    Folder,
    Missing,
    NotAFolder,
    Page,
    ProviderFailed,
    RemoteFile,
    SourceError,
)

TARGETS_AT_ONCE = 8
TARGETS_SECONDS = 20.0
"""For how long a page waits to learn size and revision of the files that its shortcuts lead to."""


class DriveSource:
    """See ``port.Source``. ``remedy``: how the credential gets to see a folder."""

    def __init__(self, api: DriveApi, link: Mapping[str, str], remedy: str) -> None:
        self._api = api
        self._link = link
        self._remedy = remedy

    async def root(self) -> tuple[Folder, str]:
        """The folder of the link, or the one that the shortcut there leads to."""
        try:
            file = await self._api.file(self._link["folder_id"], self._link.get(RESOURCE_KEY))
            if file.mime_type == SHORTCUT and (shortcut := resolved(file)) is not file:
                file = await self._api.file(shortcut.id, shortcut.resource_key)
        except (AccessDenied, Missing) as error:
            raise type(error)(f"{error}: {self._remedy}") from error
        if file.mime_type != FOLDER:
            raise NotAFolder(
                f"The link leads to {excerpt(file.name)!r}, which is not a folder: use the link of the folder it is in"
            )
        if file.trashed:
            raise Missing("The folder is in the trash: restore it in Google Drive")
        return Folder(ref=file.id, details=_root_details(file, self._link)), await self._name(file)

    async def list(self, folder: Folder, cursor: str) -> Page:
        """See ``port.Source``."""
        try:
            answer = await self._api.children(folder.ref, folder.details.get(RESOURCE_KEY), cursor)
        except (AccessDenied, Missing) as error:
            raise type(error)(f"{error}: {self._remedy}") from error
        if answer.incomplete_search:
            raise ProviderFailed("Google Drive could not search all of the folder")
        if cursor and answer.next_page_token == cursor:
            raise ProviderFailed("Google Drive answered the same page again")
        entries: dict[str, File] = {}
        for file in sorted(answer.files, key=lambda each: each.mime_type == SHORTCUT):
            entry = resolved(file)  # the thing itself is first, because it says more than what leads to it
            entries.setdefault(entry.id, entry)
        folders = [as_folder(each, folder) for each in entries.values() if each.mime_type == FOLDER]
        files = [as_remote_file(each, folder) for each in entries.values() if each.mime_type != FOLDER]
        targets = entries.keys() - {file.id for file in answer.files}
        return Page(
            files=await _with_targets(self._api, files, targets), folders=folders, next=answer.next_page_token or None
        )

    @asynccontextmanager
    async def open(self, file: RemoteFile) -> AsyncIterator[Download]:
        """See ``port.Source``."""
        async with self._api.content(file.ref, file.details.get(RESOURCE_KEY)) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "text/html" or response.headers.get("content-encoding", "identity") != "identity":
                raise ProviderFailed("Google Drive answered a page or an encoding in place of the file")
            length = response.headers.get("content-length", "")
            size = int(length) if length.isdecimal() else None
            async with aclosing(_chunks(response, size)) as chunks:
                yield Download(chunks=chunks, size=size)

    async def probe(self) -> None:
        """See ``port.Source``."""
        try:
            await self._api.file(self._link["folder_id"], self._link.get(RESOURCE_KEY), "id")
        except SourceError:
            return  # a refusal is an answer

    async def _name(self, folder: File) -> str:
        """The folder's name. That of a shared drive's top folder is ``Drive``, always."""
        if folder.id == folder.drive_id:
            with suppress(SourceError):
                return readable((await self._api.shared_drive(folder.id)).name)
        return readable(folder.name)


async def _with_targets(api: DriveApi, files: Sequence[RemoteFile], targets: Set[str]) -> Sequence[RemoteFile]:
    """``files``, with size and revision of those that shortcuts lead to: they save fetching the same again. What cannot
    be known soon is left out, because a page must come to its end."""
    known: dict[str, RemoteFile] = {}
    slots = asyncio.Semaphore(TARGETS_AT_ONCE)

    async def look(file: RemoteFile) -> None:
        async with slots:
            with suppress(SourceError):  # fetching it will say so
                found = as_remote_file(await api.file(file.ref, file.details.get(RESOURCE_KEY)), Folder(ref=""))
                known[file.ref] = replace(found, name=file.name, path=file.path, details=file.details)

    await _all_within(TARGETS_SECONDS, [look(file) for file in files if file.ref in targets and file.skip is None])
    return [known.get(file.ref, file) for file in files]


async def _all_within(seconds: float, lookups: Iterable[Coroutine[None, None, None]]) -> None:
    """Runs ``lookups`` side by side until they are done, time is over, or one finds that there is no use in more."""
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for each in lookups:
                group.create_task(each)
    except* (Temporary, TimeoutError):
        pass


async def _chunks(response: httpx2.Response, size: int | None) -> AsyncGenerator[bytes, None]:
    got = 0
    try:
        async for chunk in response.aiter_raw():
            got += len(chunk)
            yield chunk
    except httpx2.HTTPError as error:
        raise unreachable(error) from error
    if size is not None and got != size:
        raise ProviderFailed(f"Google Drive broke off after {got:,} of {size:,} bytes")


def _root_details(file: File, link: Mapping[str, str]) -> dict[str, str]:
    """Google tells a folder's resource key to those who do not need it; the link's is good for the others."""
    key = link.get(RESOURCE_KEY)
    return {RESOURCE_KEY: key} if key and file.id == link["folder_id"] else details(file)
