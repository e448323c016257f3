"""The source of imports that ``test_new_source`` adds: its files, and the edits that CONTRIBUTING.md asks for. It imports
from folders of the machine that the importers run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.architecture.support import before, replaced, write

ADAPTER = "services/importer/src/heliograph_importer/sources/folder"
LINKS = "libs/common/src/heliograph_common/contracts/links"
IMPORT = "tests/integration/importer/test_folder.py"

WRITTEN = {
    f"{LINKS}/folder.py": '''"""Names of folders below the one that importers may read: ``folder:holidays/2026``."""

from __future__ import annotations

from collections.abc import Mapping

_PREFIX = "folder:"


def parse(link: str) -> Mapping[str, str]:
    """``path``, below the folder of the settings.

    Raises:
        ValueError: it names no such folder; the message names the remedy.
    """
    path = link.strip().removeprefix(_PREFIX)
    if not link.strip().startswith(_PREFIX) or path.startswith("/") or ".." in path.split("/"):
        raise ValueError("not the name of a folder: write one such as folder:holidays/2026")
    return {"path": path}
''',
    f"{ADAPTER}/__init__.py": '"""Folders of the machine as a source."""\n',
    f"{ADAPTER}/source.py": '''"""Folders of the machine. References are paths below the folder of the import."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote, unquote, unquote_to_bytes

from heliograph_importer.settings import FolderSettings
from heliograph_importer.sources.port import (
    AccessDenied,
    Budget,
    Credential,
    CredentialRefused,
    Download,
    Folder,
    Location,
    Missing,
    Page,
    ProviderFailed,
    RemoteFile,
)

PAGE = 1_000
"""Files of a page."""
_CHUNK = 256 << 10
_SECONDS = 30.0
_Result = TypeVar("_Result")


class Folders:
    """See ``Provider``."""

    name = "folder"

    def __init__(self, settings: FolderSettings) -> None:
        self._path = Path(settings.path)

    def source(self, location: Location, credential: Credential | None, budget: Budget) -> FolderSource:
        """See ``Provider``."""
        if credential is not None:
            raise CredentialRefused("folders of the machine take no credential: leave it out")
        return FolderSource(self._path, self._path / location.link["path"], budget)

    async def close(self) -> None:
        """Has nothing to end."""


class FolderSource:
    """See ``Source``. ``within``: what is not there when the disk is away."""

    def __init__(self, within: Path, path: Path, budget: Budget) -> None:
        self._within, self._path, self._budget = within, path, budget

    async def root(self) -> tuple[Folder, str]:
        """See ``Source``."""
        await self._asked(self._path.stat)
        return Folder(ref="."), self._path.name

    async def list(self, folder: Folder, cursor: str) -> Page:
        """See ``Source``. The cursor is the last file of the page before."""
        files, folders = await self._asked(lambda: self._entries(folder))
        left = sorted((file for file in files if file.ref > cursor), key=lambda file: file.ref)
        following = left[PAGE - 1].ref if len(left) > PAGE else None
        return Page(files=left[:PAGE], folders=[] if cursor else folders, next=following)

    @asynccontextmanager
    async def open(self, file: RemoteFile) -> AsyncIterator[Download]:
        """See ``Source``."""
        opened = await self._asked(lambda: self._at(file.ref).open("rb"))
        try:
            async with aclosing(_chunks(opened)) as chunks:
                yield Download(chunks=chunks, size=os.fstat(opened.fileno()).st_size)
        finally:
            opened.close()

    async def probe(self) -> None:
        """See ``Source``."""
        await self._asked(lambda: None)

    def _at(self, ref: str) -> Path:
        return self._path / os.fsdecode(unquote_to_bytes(ref))

    def _entries(self, folder: Folder) -> tuple[Sequence[RemoteFile], Sequence[Folder]]:
        files, folders = [], []
        for entry in self._at(folder.ref).iterdir():
            name = unquote(quote(os.fsencode(entry.name)), errors="replace")
            ref, path = f"{folder.ref}/{quote(os.fsencode(entry.name))}", f"{folder.path}/{name}".lstrip("/")
            if entry.is_symlink():
                continue
            if entry.is_dir():
                folders.append(Folder(ref=ref, path=path))
            elif entry.is_file():
                status = entry.stat()
                revision = f"{status.st_mtime_ns}-{status.st_size}"
                files.append(RemoteFile(ref=ref, name=name, path=path, size=status.st_size, revision=revision))
        return files, folders

    async def _asked(self, work: Callable[[], _Result]) -> _Result:
        """The result of ``work``, once it is its turn."""
        await self._budget.spend()
        try:
            async with asyncio.timeout(_SECONDS):
                await asyncio.to_thread(self._within.stat)
                try:
                    return await asyncio.to_thread(work)
                except FileNotFoundError as error:
                    raise Missing("it does not exist: check the name") from error
                except PermissionError as error:
                    raise AccessDenied("it cannot be read: give the importer permission") from error
        except (OSError, TimeoutError) as error:
            raise ProviderFailed("the disk does not answer") from error


async def _chunks(opened: BinaryIO) -> AsyncGenerator[bytes, None]:
    try:
        while chunk := await asyncio.to_thread(opened.read, _CHUNK):
            yield chunk
    except OSError as error:
        raise ProviderFailed("the file cannot be read to its end") from error
''',
    IMPORT: '''"""A folder of the machine is imported, by the gateway and an importer as they are wired."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.components import started
from tests.integration.gateway.support import running
from tests.integration.importer.support import Imports

from heliograph_common.runtime.health import Health
from heliograph_gateway.settings import GatewaySettings
from heliograph_importer.bootstrap import build
from heliograph_importer.settings import FolderSettings


async def test_a_folder_of_the_machine_becomes_images(
    imports: Imports, make_settings: Callable[..., Any], picture: Callable[[int], bytes], tmp_path: Path
) -> None:
    wanted = ["a.jpg", "b.jpg", "inner/c.jpg"]
    for number, name in enumerate(wanted):
        path = tmp_path / "holidays" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    settings = imports.settings.model_copy(update={"folder": FolderSettings(path=str(tmp_path))})
    gateway = running(make_settings(GatewaySettings, http={"port": 0}))
    async with gateway as found, found.client("ann") as ann, started(await build(settings, Health())):
        answer = await ann.post("/v1/imports", json={"source": "folder", "url": "folder:holidays"})
        assert answer.status_code == 202, answer.text
        row = await imports.ended(UUID(answer.json()["id"]))

    assert (row.status, row.name, row.imported) == ("completed", "holidays", 3)
    images = await imports.images()
    assert {(image.source, image.source_ref) for image in images} == {("folder", f"./{name}") for name in wanted}
''',
}

_SETTINGS = '''class FolderSettings(BaseModel):
    """Folders of the machine that the importers run on."""

    path: str = Field("/nowhere", description="Folder below which folders can be imported.")
    requests_per_minute: int = Field(60_000, ge=1, description="Requests per minute, over all importers.")


'''
_HARNESS = '''class FolderHarness(Harness):
    """Folders of the machine, which limits no requests. Nobody sends: files are read as they are wanted."""

    name = "folder"
    per_page = FOLDER_PAGE
    quotas = ()
    cuts_off = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Harness]:
        with TemporaryDirectory() as path:
            self._disk = Path(path, "disk")
            (self._disk / self.title).mkdir(parents=True)
            self.provider = Folders(FolderSettings(path=str(self._disk)))
            yield self

    def put(self, path: str, data: bytes) -> None:
        at = self._disk / self.title / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)

    def location(self) -> Location:
        return Location(link=folder.parse(f"folder:{self.title}"))

    def misbehave(self, fault: Fault) -> None:
        if fault.kind == "vanished":
            (self._disk / self.title / fault.about).unlink()
        else:
            self._disk.rename(self._disk.with_name("away"))

    async def leave(self) -> None:
        self._disk.rename(self._disk.with_name("away"))

    def requests(self) -> int:
        return len(self.budget.turns)

    def received(self) -> int | None:
        return 0


'''


def _in_turn(*edits: Callable[[str], str]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        for each in edits:
            text = each(text)
        return text

    return edit


EDITS: Mapping[str, Callable[[str], str]] = {
    f"{LINKS}/registry.py": _in_turn(
        replaced(r"^(from \S+ import dropbox, )", r"\1folder, "),
        replaced(r"^(LINKS: .*\{)", r'\1"folder": folder.parse, '),
    ),
    "services/importer/src/heliograph_importer/settings.py": _in_turn(
        before(r"^class NamedApiKey", _SETTINGS),
        before(r"^    credentials: C", "    folder: FolderSettings = FolderSettings()\n"),
    ),
    "services/importer/src/heliograph_importer/bootstrap.py": _in_turn(
        before(r"^from \S+\.google_drive", "from heliograph_importer.sources.folder.source import Folders\n"),
        before(r"^    \]\n", "        Quota(Folders(settings.folder), settings.folder.requests_per_minute),\n"),
    ),
    "tests/ports/sources.py": _in_turn(
        replaced(r"^(from contextlib .*\n)", r"\1from pathlib import Path\nfrom tempfile import TemporaryDirectory\n"),
        replaced(r"^(from \S+ import dropbox, )", r"\1folder, "),
        replaced(r"^(from \S+ import DriveSettings, DropboxSettings, )", r"\1FolderSettings, "),
        before(
            r"^from \S+\.google_drive\.provider",
            "from heliograph_importer.sources.folder.source import PAGE as FOLDER_PAGE\n"
            "from heliograph_importer.sources.folder.source import Folders\n",
        ),
        before(r"^HARNESSES", _HARNESS),
        replaced(r"^(HARNESSES.*)\)$", r"\1, FolderHarness)"),
    ),
    "docs/guides/imports.md": before(
        r"^\| `urls` \|", "| `folder` | `url`, the name of a folder, such as `folder:holidays` | all folders |\n"
    ),
}
"""By the file that is edited."""


def add_files(tree: Path) -> None:
    """What the source brings along."""
    for name, text in WRITTEN.items():
        write(tree / name, text)


def edit_files(tree: Path) -> None:
    """What is there and must know of it."""
    for name, edit in EDITS.items():
        write(tree / name, edit((tree / name).read_text(encoding="utf-8")))
