"""One folder of Dropbox that is imported: shared by link, or of a user's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import requests
from dropbox.files import FolderMetadata, SharedLink
from dropbox.sharing import FolderLinkMetadata

from heliograph_importer.sources.dropbox import entries
from heliograph_importer.sources.dropbox.account import Account
from heliograph_importer.sources.dropbox.content import Content, length
from heliograph_importer.sources.dropbox.errors import Unexplained
from heliograph_importer.sources.dropbox.threads import Threads
from heliograph_importer.sources.names import readable
from heliograph_importer.sources.port import (
    AccessDenied,
    Budget,
    Download,
    Folder,
    Location,
    NotAFolder,
    Page,
    ProviderFailed,
    RemoteFile,
    SourceError,
)

_PAGE = 1000
_ROOT = "/"
"""What the API calls by the empty path."""


class DropboxSource:
    """References of folders are paths within a shared link, and ids where the folder is a user's own. That of the folder
    which is imported is a path in both cases."""

    def __init__(self, location: Location, account: Account, budget: Budget, threads: Threads) -> None:
        self._link = location.link.get("shared_link")
        self._path = location.link.get("path", "")
        self._account = account
        self._budget = budget
        self._threads = threads

    async def root(self) -> tuple[Folder, str]:
        """See the port."""
        folder = Folder(ref=entries.kept(self._path or _ROOT))
        if self._link is None:
            return folder, await self._own_name()
        found = await self._account.call(
            lambda client: client.sharing_get_shared_link_metadata(self._link, path=self._path or None), self._budget
        )
        if not isinstance(found, FolderLinkMetadata):
            raise NotAFolder("the link leads to a single file: share the folder that it is in, and use its link")
        if found.link_permissions.allow_download is False:
            raise AccessDenied("the link does not allow downloads: allow them in the settings of the link")
        return folder, readable(found.name)

    async def list(self, folder: Folder, cursor: str) -> Page:
        """See the port."""
        path = entries.path_of(folder.ref) if folder.ref else self._path
        path = "" if path == _ROOT else path

        def page(client: Any) -> Any:
            if cursor:
                return client.files_list_folder_continue(cursor)
            link = SharedLink(url=self._link) if self._link else None
            return client.files_list_folder(path, limit=_PAGE, shared_link=link)

        try:
            found = await self._account.call(page, self._budget)
        except Unexplained:
            if self._link:  # a listing has no words for what is wrong with a link; its metadata has
                await self.root()
            raise
        path_in_link = path if self._link else None
        return Page(
            files=entries.files(found.entries, folder, path_in_link),
            folders=entries.folders(found.entries, folder, path_in_link),
            next=found.cursor if found.has_more else None,
        )

    @asynccontextmanager
    async def open(self, file: RemoteFile) -> AsyncIterator[Download]:
        """See the port."""

        def begun(client: Any) -> tuple[Any, requests.Response]:
            if self._link is None:
                told, response = client.files_download(file.ref)
            else:
                told, response = client.sharing_get_shared_link_file(
                    self._link, path=entries.path_of(file.details["path"])
                )
            return told, response

        told, response = await self._account.call(begun, self._budget, discard=lambda begun: begun[1].close())
        size = length(response)
        content = Content(response, told.size if size is None else size, self._threads)
        try:
            if size is not None and size != told.size:
                raise ProviderFailed(f"Dropbox sends {size} bytes of a file of {told.size}")
            yield Download(chunks=content, size=told.size)
        finally:
            content.end()

    async def probe(self) -> None:
        """See the port. A refusal is an answer too. Contents come from a host of their own, which may be away by itself."""
        with suppress(SourceError):
            await self._account.call(_check_user if self._account.of_user else _check_app, self._budget)
        await self._account.reach_contents(self._budget)

    async def _own_name(self) -> str:
        """The API has no metadata of the root."""
        if not self._path:
            return "Dropbox"
        found = await self._account.call(lambda client: client.files_get_metadata(self._path), self._budget)
        if not isinstance(found, FolderMetadata):
            raise NotAFolder("the path leads to a file: name the folder that it is in")
        return readable(found.name)


def _check_user(client: Any) -> None:
    client.check_user("heliograph")


def _check_app(client: Any) -> None:
    client.check_app("heliograph")
