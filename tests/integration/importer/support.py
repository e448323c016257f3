"""What the importer's tests talk with: a provider in memory that can be told to fail, imports, and running importers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from tests.components import started
from tests.polling import until

from heliograph_common.contracts.import_messages import ImportCounts
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.db.import_models import Import, ImportFile, ImportPage
from heliograph_common.db.imports import counts_of, page_id
from heliograph_common.db.work_models import Work
from heliograph_common.ids import new_id
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.runtime.backbone import Backbone
from heliograph_importer.bootstrap import wire
from heliograph_importer.providers.sources import Quota
from heliograph_importer.settings import ImporterSettings
from heliograph_importer.sources.port import (
    Budget,
    Credential,
    Download,
    Folder,
    Location,
    Missing,
    Page,
    ProviderFailed,
    RemoteFile,
)

SHELF = "shelf"
"""The source that the provider in memory is."""
Answer = Exception | None


@dataclass
class Shelf:
    """A provider in memory. ``folders`` has the files and folders of each by its ref, ``contents`` the bytes of files.

    ``listing`` and ``opening`` are asked before each answer, with the folder's or the file's ref: what they return is
    raised. ``away``: nothing is answered at all. ``per_page``: files of a page; ``repeat``: the
    cursor of the next page is the one that was asked for. ``cut_off``: after how many bytes contents break off. ``hold``:
    set when a file is opened, and waited for. ``asked`` counts requests, ``sent`` bytes of contents.
    """

    name: str = SHELF
    folders: dict[str, tuple[list[RemoteFile], list[Folder]]] = field(default_factory=lambda: {"root": ([], [])})
    contents: dict[str, bytes] = field(default_factory=dict)
    listing: Callable[[str, str], Answer] = lambda _folder, _cursor: None
    opening: Callable[[str], Answer] = lambda _ref: None
    away: bool = False
    per_page: int = 1000
    repeat: bool = False
    opened: Counter[str] = field(default_factory=Counter)
    listed: Counter[str] = field(default_factory=Counter)
    probed: int = 0
    cut_off: int | None = None
    asked: int = 0
    sent: int = 0
    hold: tuple[asyncio.Event, asyncio.Event] | None = None
    list_hold: tuple[asyncio.Event, asyncio.Event] | None = None

    def add(self, ref: str, data: bytes, *, folder: str = "root", **more: Any) -> RemoteFile:
        """Puts a file into a folder."""
        self.contents[ref] = data
        described: dict[str, Any] = {
            "name": ref,
            "path": ref,
            "size": len(data),
            "mime_type": "image/jpeg",
            "revision": "1",
        } | more
        file = RemoteFile(ref=ref, **described)
        self.folders.setdefault(folder, ([], []))[0].append(file)
        return file

    def add_folder(self, ref: str, *, into: str = "root") -> None:
        """Puts a folder into another."""
        self.folders.setdefault(ref, ([], []))
        self.folders[into][1].append(Folder(ref=ref, path=ref))

    def source(self, location: Location, credential: Credential | None, budget: Budget) -> ShelfSource:
        return ShelfSource(self, budget)

    async def close(self) -> None:
        """Has nothing to end."""


@dataclass
class ShelfSource:
    """Implements ``Source``."""

    shelf: Shelf
    budget: Budget

    async def root(self) -> tuple[Folder, str]:
        await self._ask(lambda: self.shelf.listing("", ""))
        return Folder(ref="root"), "Shelf"

    async def list(self, folder: Folder, cursor: str) -> Page:
        await self._ask(lambda: self.shelf.listing(folder.ref, cursor))
        self.shelf.listed[folder.ref] += 1
        if self.shelf.list_hold is not None:
            asked, answer = self.shelf.list_hold
            asked.set()
            await answer.wait()
        files, folders = self.shelf.folders[folder.ref]
        begin = int(cursor or 0)
        end = begin + self.shelf.per_page
        more = str(end) if end < len(files) else None
        more = (cursor or more) if self.shelf.repeat else more
        return Page(files[begin:end], [] if cursor else folders, more)

    @asynccontextmanager
    async def open(self, file: RemoteFile) -> AsyncIterator[Download]:
        await self._ask(lambda: self.shelf.opening(file.ref))
        self.shelf.opened[file.ref] += 1
        if file.ref not in self.shelf.contents:
            raise Missing("the file does not exist any more: import the folder again")
        data = self.shelf.contents[file.ref]

        async def chunks() -> AsyncIterator[bytes]:
            end = len(data) if self.shelf.cut_off is None else self.shelf.cut_off
            for begin in range(0, end, 65_536):
                piece = data[begin : min(begin + 65_536, end)]
                self.shelf.sent += len(piece)
                yield piece
            if end < len(data):
                raise ProviderFailed(f"it broke off after {end} bytes")

        if self.shelf.hold is not None:
            held, let_go = self.shelf.hold
            held.set()
            await let_go.wait()
        yield Download(chunks=chunks(), size=len(data))

    async def probe(self) -> None:
        self.shelf.probed += 1
        await self._ask(lambda: None)

    async def _ask(self, answers: Callable[[], Answer]) -> None:
        await self.budget.spend()
        self.shelf.asked += 1
        if self.shelf.away:
            raise ProviderFailed("it does not answer")
        answer = answers()
        if answer is not None:
            raise answer


@dataclass
class Imports:
    """Imports in the test's database, and what has become of them."""

    database: Database
    messenger: Messenger
    shelf: Shelf
    make_backbone: Callable[[], Backbone]
    settings: ImporterSettings

    @asynccontextmanager
    async def importer(self, *, per_minute: int = 600_000, **own: Any) -> AsyncIterator[None]:
        """An importer in this process. ``own`` are fields of ``ImporterOwnSettings``."""
        changed = self.settings.importer.model_copy(update=own)
        settings = self.settings.model_copy(update={"importer": changed})
        backbone = self.make_backbone()
        async with started([*wire(backbone, settings, [Quota(self.shelf, per_minute)])]):
            yield

    async def start(self, owner: str = "ann", **values: Any) -> UUID:
        """Asks for an import as the gateway does."""
        row: dict[str, Any] = {
            "id": new_id(),
            "owner": owner,
            "source": SHELF,
            "url": "shelf://",
            "location": {},
            "budget": SHELF,
        } | values
        page: dict[str, Any] = {
            "id": page_id(row["id"], "", 0, ""),
            "import_id": row["id"],
            "folder": "",
            "path": "",
            "cursor": "",
        }
        async with self.database.transaction() as connection:
            await connection.execute(insert(Import).values(row))
            await connection.execute(insert(ImportPage).values(page | {"details": {}}))
        found: UUID = row["id"]
        return found

    async def row(self, import_id: UUID) -> Any:
        """The row of an import."""
        async with self.database.transaction() as connection:
            return (await connection.execute(select(Import.__table__).where(Import.id == import_id))).one()

    async def counts(self, import_id: UUID) -> ImportCounts:
        """Its counts as clients see them."""
        return counts_of(await self.row(import_id))

    async def files(self, import_id: UUID) -> Mapping[str, Any]:
        """Its files by their ref."""
        async with self.database.transaction() as connection:
            found = await connection.execute(select(ImportFile.__table__).where(ImportFile.import_id == import_id))
        return {row.ref: row for row in found}

    async def ended(self, import_id: UUID, *, seconds: float = 60.0) -> Any:
        """Its row once it has ended."""

        async def ended() -> Any:
            row = await self.row(import_id)
            return row if row.finished_at is not None else None

        return await until(ended, seconds)

    async def images(self, owner: str = "ann") -> Sequence[Any]:
        """The images of an owner."""
        async with self.database.transaction() as connection:
            return (await connection.execute(select(Image.__table__).where(Image.owner == owner))).all()

    async def cancel(self, import_id: UUID) -> None:
        """Cancels an import as the gateway does."""
        async with self.database.transaction() as connection:
            await connection.execute(update(Import).where(Import.id == import_id).values(status="canceled"))


def fails(times: int, error: Callable[[], Exception]) -> Callable[..., Answer]:
    """Raises ``error`` that often, then answers."""
    left = iter(range(times))
    return lambda *_: error() if next(left, None) is not None else None


async def nothing_left(database: Database) -> None:
    """Returns once there is no row of work for imports."""

    async def none() -> bool:
        async with database.transaction() as connection:
            found = await connection.execute(select(Work.kind).where(Work.kind.in_(("list", "fetch"))))
        return not found.all()

    await until(none)
