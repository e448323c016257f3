"""The adapter of Dropbox against its double, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import SecretStr

from heliograph_common.contracts.links.dropbox import parse
from heliograph_importer.settings import DropboxSettings
from heliograph_importer.sources.dropbox import Dropbox
from heliograph_importer.sources.dropbox.source import DropboxSource
from heliograph_importer.sources.port import AppKey, Credential, Folder, Location, OAuthToken, RemoteFile
from heliograph_local.doubles.dropbox import Account, DropboxDouble, SharedLink
from heliograph_local.doubles.serving import served


@dataclass
class CountedBudget:
    """Counts the turns that were waited for, and refuses those after ``left``."""

    spent: int = 0
    refusals: list[Exception] = field(default_factory=list)

    async def spend(self, name: str = "") -> None:
        """As of the port."""
        if self.refusals:
            raise self.refusals.pop(0)
        self.spent += 1


@dataclass
class DropboxWorld:
    """A double that is served, and the provider that is set up for it."""

    double: DropboxDouble
    provider: Dropbox
    budget: CountedBudget
    url: str

    def shared(self, link: SharedLink | str, credential: Credential | None = None) -> DropboxSource:
        """The source of a shared folder, by the application's credential unless there is another."""
        url = link if isinstance(link, str) else link.url
        return self.provider.source(Location(link=parse(url)), credential, self.budget)

    def own(self, account: Account, path: str = "/") -> DropboxSource:
        """The source of a user's own folder."""
        return self.provider.source(Location(link=parse(path)), token_of(account), self.budget)

    def calls(self) -> list[str]:
        """The names of the calls that the double has accepted."""
        return [asked.call for asked in self.double.behaviour.asked]


@asynccontextmanager
async def dropbox_world(*, page_size: int = 500, threads: int = 4) -> AsyncIterator[DropboxWorld]:
    """Ends with the proof that all requests and answers were such as Dropbox has."""
    double = DropboxDouble(page_size=page_size)
    async with served(double.app) as url:
        provider = Dropbox(
            DropboxSettings(
                api_url=f"{url}/api",
                content_url=f"{url}/content/",
                app_key=double.app_key,
                app_secret=SecretStr(double.app_secret),
            ),
            threads=threads,
        )
        try:
            yield DropboxWorld(double, provider, CountedBudget(), url)
        finally:
            await provider.close()
    assert double.behaviour.violations == []


def token_of(account: Account, *, refreshed: bool = False, expires_at: float | None = None) -> OAuthToken:
    """The account's token as a user would hand it in."""
    refresh = account.refresh_token if refreshed else None
    return OAuthToken(access_token=account.token, refresh_token=refresh, expires_at=expires_at)


def app_key_of(double: DropboxDouble) -> AppKey:
    """The application that the double knows."""
    return AppKey(key=double.app_key, secret=double.app_secret)


async def everything(source: DropboxSource, folder: Folder | None = None) -> list[RemoteFile]:
    """All files, as the importer walks: one level at a time, page by page."""
    found: list[RemoteFile] = []
    waiting = [folder or (await source.root())[0]]
    while waiting:
        current, cursor = waiting.pop(0), ""
        while True:
            page = await source.list(current, cursor)
            found += page.files
            waiting += page.folders
            if page.next is None:
                break
            cursor = page.next
    return found


async def content_of(source: DropboxSource, file: RemoteFile) -> bytes:
    """The whole content of a file."""
    async with source.open(file) as download:
        return b"".join([chunk async for chunk in download.chunks])
