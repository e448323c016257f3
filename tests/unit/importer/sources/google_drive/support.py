"""A double that serves, and sources of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import SecretStr

from heliograph_importer.settings import DriveSettings
from heliograph_importer.sources.google_drive import GoogleDrive
from heliograph_importer.sources.google_drive.source import DriveSource
from heliograph_importer.sources.port import Credential, Folder, Location, Page, RemoteFile
from heliograph_local.doubles.google_drive import DriveDouble, Item
from heliograph_local.doubles.google_drive.accounts import API_KEY, CLIENT_ID, CLIENT_SECRET
from heliograph_local.doubles.serving import served


class Counted:
    """A budget without an end that counts."""

    def __init__(self) -> None:
        self.spent = 0

    async def spend(self, name: str = "") -> None:
        """One more."""
        self.spent += 1


@dataclass
class Served:
    """A double under its address, and the provider that speaks to it."""

    double: DriveDouble
    provider: GoogleDrive
    budget: Counted = field(default_factory=Counted)

    def source(self, folder: Item | str, credential: Credential | None = None, key: str | None = None) -> DriveSource:
        """The source of a link to ``folder``."""
        link: Mapping[str, str] = {"folder_id": folder if isinstance(folder, str) else folder.id}
        if key is not None:
            link = {**link, "resource_key": key}
        return self.provider.source(Location(link=link), credential, self.budget)

    def calls(self) -> list[str]:
        """What the double was asked, by Google's names."""
        return [asked.call for asked in self.double.behaviour.asked]


@asynccontextmanager
async def serving(double: DriveDouble, *, api_key: str | None = API_KEY) -> AsyncIterator[Served]:
    """Serves ``double``. The test fails if it saw a request, or gave an answer, that Google's description does not have."""
    async with served(double.app) as url:
        settings = DriveSettings(
            base_url=f"{url}/drive/v3/",
            token_url=f"{url}/token",
            api_key=SecretStr(api_key) if api_key else None,
            client_id=CLIENT_ID,
            client_secret=SecretStr(CLIENT_SECRET),
        )
        provider = GoogleDrive(settings)
        try:
            yield Served(double, provider)
        finally:
            await provider.close()
    assert double.behaviour.violations == []


async def pages(source: DriveSource, folder: Folder) -> list[Page]:
    """All pages of one folder."""
    found = [await source.list(folder, "")]
    while found[-1].next is not None:
        found.append(await source.list(folder, found[-1].next))
    return found


async def walk(source: DriveSource) -> list[RemoteFile]:
    """All files, each folder being listed once, as the importer does."""
    root, _ = await source.root()
    files: list[RemoteFile] = []
    waiting, seen = [root], {root.ref}
    while waiting:
        for page in await pages(source, waiting.pop(0)):
            files += page.files
            waiting += [folder for folder in page.folders if folder.ref not in seen]
            seen |= {folder.ref for folder in page.folders}
    return files


async def fetched(source: DriveSource, file: RemoteFile) -> bytes:
    """The content of a file."""
    async with source.open(file) as download:
        return b"".join([chunk async for chunk in download.chunks])
