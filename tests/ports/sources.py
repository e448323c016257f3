"""The sources that ``test_sources`` holds to their port: each in a harness, over the double of its provider.

A new source is a harness here, named in ``HARNESSES``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Protocol
from urllib.parse import quote

from pydantic import SecretStr
from starlette.applications import Starlette
from tests.integration.importer.support import Shelf
from tests.ports.relay import Relay, relayed

from heliograph_common.contracts.links import dropbox, google_drive
from heliograph_importer.settings import DriveSettings, DropboxSettings, UrlSettings
from heliograph_importer.sources.dropbox.provider import Dropbox
from heliograph_importer.sources.google_drive.provider import GoogleDrive
from heliograph_importer.sources.port import Location, Provider, QuotaExceeded, Source
from heliograph_importer.sources.urls.source import PAGE, UrlList
from heliograph_local.doubles.dropbox import DropboxDouble
from heliograph_local.doubles.dropbox.tree import Folder as DropboxFolder
from heliograph_local.doubles.faults import Behaviour, Fault, Kind
from heliograph_local.doubles.google_drive import ANYONE, DriveDouble
from heliograph_local.doubles.google_drive.accounts import API_KEY
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.web import WebDouble

LARGE_DOWNLOAD = 100_000
CALLS = ("root", "list", "open", "probe")


class WatchedBudget:
    """Notes how many requests the provider had been sent at each turn; while ``used_up`` there are none."""

    def __init__(self, harness: Harness) -> None:
        self.turns: list[int] = []
        self.used_up = False
        self._harness = harness

    async def spend(self, name: str = "") -> None:
        """See ``Budget``."""
        if self.used_up:
            raise QuotaExceeded("this installation's quota is used up", delay=9.0, budget=name or None)
        self.turns.append(self._harness.requests())


class Harness(ABC):
    """A provider, and what a test does to it. ``title``: the name of the folder that is imported; ``per_page``: files of
    a page; ``asking``: the methods that send a request; ``quotas``: in which ways it limits requests; ``cuts_off``: whether
    it may break off within a file."""

    name: ClassVar[str]
    title: ClassVar[str] = "Holidays"
    per_page: ClassVar[int] = 3
    has_folders: ClassVar[bool] = True
    asking: ClassVar[tuple[str, ...]] = CALLS
    quotas: ClassVar[tuple[Kind, ...]] = ("rate_limited", "quota")
    cuts_off: ClassVar[bool] = True
    provider: Provider

    def __init__(self) -> None:
        self.budget = WatchedBudget(self)

    def source(self) -> Source:
        """The source of an import of all that was put."""
        return self.provider.source(self.location(), None, self.budget)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Harness]:
        """While the block runs, the provider answers."""
        yield self
        await self.provider.close()

    @abstractmethod
    def put(self, path: str, data: bytes) -> None:
        """Puts a file there; folders are made where there are none."""

    @abstractmethod
    def location(self) -> Location:
        """What is imported."""

    @abstractmethod
    def misbehave(self, fault: Fault) -> None:
        """See ``Fault``."""

    @abstractmethod
    async def leave(self) -> None:
        """Nobody answers any more."""

    @abstractmethod
    def requests(self) -> int:
        """How many were sent."""

    @abstractmethod
    def received(self) -> int | None:
        """The bytes of the largest download that was given up; ``None`` while one goes on."""


class Double(Protocol):
    """What doubles have in common."""

    app: Starlette
    behaviour: Behaviour


class OverHttp(Harness):
    """A harness whose provider is the double of one, behind a relay."""

    relay: Relay

    def __init__(self, double: Double) -> None:
        super().__init__()
        self._behaviour, self._app = double.behaviour, double.app

    @abstractmethod
    def connect(self, url: str) -> Provider:
        """The adapter, for the double at ``url``."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Harness]:
        """Ends with the proof that requests and answers were such as the vendor has."""
        async with served(self._app) as upstream, relayed(upstream) as self.relay:
            self.provider = self.connect(self.relay.url)
            async with super().running():
                yield self
        assert self._behaviour.violations == []

    def misbehave(self, fault: Fault) -> None:
        self._behaviour.misbehave(fault)

    async def leave(self) -> None:
        await self.relay.cut()

    def requests(self) -> int:
        return len(self._behaviour.asked)

    def received(self) -> int | None:
        passed = self.relay.passed
        large = [number for number in range(len(passed)) if passed[number] > LARGE_DOWNLOAD]
        return None if self.relay.going.intersection(large) else max(passed)


class DriveHarness(OverHttp):
    """Folders that anyone with the link can view, by an API key."""

    name = "google_drive"

    def __init__(self) -> None:
        self._double = DriveDouble(largest_page=self.per_page)
        super().__init__(self._double)
        self._folders = {"": self._double.tree.folder(self.title, shared=ANYONE)}

    def connect(self, url: str) -> Provider:
        return GoogleDrive(DriveSettings(base_url=f"{url}/drive/v3/", api_key=SecretStr(API_KEY)))

    def put(self, path: str, data: bytes) -> None:
        *above, name = path.split("/")
        for depth, part in enumerate(above):
            parent, whole = self._folders["/".join(above[:depth])], "/".join(above[: depth + 1])
            if whole not in self._folders:
                self._folders[whole] = self._double.tree.folder(part, parent)
        self._double.tree.file(name, self._folders["/".join(above)], data)

    def location(self) -> Location:
        link = f"https://drive.google.com/drive/folders/{self._folders[''].id}"
        return Location(link=google_drive.parse(link))


class DropboxHarness(OverHttp):
    """Folders that are shared by link, by an app key."""

    name = "dropbox"

    def __init__(self) -> None:
        self._double = DropboxDouble(page_size=self.per_page)
        super().__init__(self._double)
        self._folder = DropboxFolder(name=self.title)
        self._link = self._double.share(self._folder)

    def connect(self, url: str) -> Provider:
        key, secret = self._double.app_key, SecretStr(self._double.app_secret)
        return Dropbox(
            DropboxSettings(api_url=f"{url}/api", content_url=f"{url}/content", app_key=key, app_secret=secret)
        )

    def put(self, path: str, data: bytes) -> None:
        self._folder.file(path, data)

    def location(self) -> Location:
        return Location(link=dropbox.parse(self._link.url))


class UrlHarness(OverHttp):
    """Lists of addresses, which nobody is asked for: each host answers for its own files."""

    name = "urls"
    title = "URL list"
    per_page = PAGE
    has_folders = False
    asking = ("open",)

    def __init__(self) -> None:
        self._double = WebDouble()
        super().__init__(self._double)
        self._paths: list[str] = []

    def connect(self, url: str) -> Provider:
        return UrlList(UrlSettings(allowed_networks=["127.0.0.0/8"]))

    def put(self, path: str, data: bytes) -> None:
        self._double.put(path, data)
        self._paths.append(path)

    def location(self) -> Location:
        return Location(urls=[f"{self.relay.url}/pictures/{quote(path)}" for path in self._paths])


class ShelfHarness(Harness):
    """The provider in memory with which the importer is tested."""

    name = "shelf"
    title = "Shelf"

    def __init__(self) -> None:
        super().__init__()
        self._shelf = self.provider = Shelf(per_page=self.per_page)

    def put(self, path: str, data: bytes) -> None:
        *above, name = path.split("/")
        for depth in range(len(above)):
            into, whole = "/".join(above[:depth]) or "root", "/".join(above[: depth + 1])
            if whole not in self._shelf.folders:
                self._shelf.add_folder(whole, into=into)
        self._shelf.add(path, data, folder="/".join(above) or "root", name=name)

    def location(self) -> Location:
        return Location()

    def misbehave(self, fault: Fault) -> None:
        shelf = self._shelf
        match fault.kind:
            case "vanished":
                del shelf.contents[fault.about]
            case "cut_off":
                shelf.cut_off = fault.bytes
            case "error":
                shelf.away = True
            case _:
                limited = QuotaExceeded("later", delay=fault.retry_after or 60.0)
                shelf.listing = lambda _folder, _cursor: limited
                shelf.opening = lambda _ref: limited

    async def leave(self) -> None:
        self._shelf.away = True

    def requests(self) -> int:
        return self._shelf.asked

    def received(self) -> int | None:
        return self._shelf.sent


HARNESSES: tuple[type[Harness], ...] = (DriveHarness, DropboxHarness, UrlHarness, ShelfHarness)
