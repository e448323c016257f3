"""The files, folders, shortcuts and shared drives of the double, in memory, and who may see them."""

from __future__ import annotations

import hashlib
import itertools
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import Any

from heliograph_local.first_picture import sample_picture

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
NATIVE = "application/vnd.google-apps."
ANYONE = "anyone"
"""Whom an item is shared with if anyone with the link may view it; others are named by their addresses."""

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Content:
    """What a file has in it: ``chunks`` begins again at each call. Without ``told``, Drive says no checksums, as for files
    that are too large to make here twice."""

    size: int
    chunks: Callable[[], Iterable[bytes]]
    told: bool = True

    @classmethod
    def of(cls, data: bytes) -> Content:
        """These bytes."""
        return cls(len(data), lambda: (data,))

    @cached_property
    def checksums(self) -> Mapping[str, str]:
        """As Drive names them."""
        if not self.told:
            return {}
        md5, sha1, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False), hashlib.sha256()
        for chunk, kind in itertools.product(self.chunks(), (md5, sha1, sha256)):
            kind.update(chunk)
        return {"md5Checksum": md5.hexdigest(), "sha1Checksum": sha1.hexdigest(), "sha256Checksum": sha256.hexdigest()}


@dataclass
class Item:
    """A file, folder or shortcut. ``shared``: whom with, those of its folders besides. A request without the
    ``resource_key`` finds it only if it is shared with the caller by name. ``denied``: requests for it answer 403;
    ``abusive``: Google has found malware in it; ``extra`` goes into its resource as it is."""

    id: str
    name: str
    mime_type: str
    parent: Item | None = None
    content: Content | None = None
    target: Item | None = None
    shared: frozenset[str] = frozenset()
    resource_key: str | None = None
    can_download: bool = True
    denied: bool = False
    abusive: bool = False
    trashed: bool = False
    drive_id: str | None = None
    version: int = 1
    extra: Mapping[str, Any] = field(default_factory=dict)

    def lineage(self) -> Iterator[Item]:
        """The item, its folder, the folder of that, and so on."""
        item: Item | None = self
        while item is not None:
            yield item
            item = item.parent

    def visible(self, identity: str | None, keys: Mapping[str, str]) -> bool:
        """Whether ``identity`` (``None`` for no user) may see it, with these resource keys by id."""
        shared = frozenset[str]().union(*(each.shared for each in self.lineage()))
        if identity in shared:
            return True
        return ANYONE in shared and (self.resource_key is None or keys.get(self.id) == self.resource_key)

    def gone(self) -> bool:
        """Whether it is in the trash, or in something that is."""
        return any(each.trashed for each in self.lineage())

    def resource(self) -> dict[str, Any]:
        """The ``drive#file``."""
        changed = (_BEGAN + timedelta(seconds=self.version)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told: dict[str, Any] = {
            "kind": "drive#file",
            "id": self.id,
            "name": self.name,
            "mimeType": self.mime_type,
            "createdTime": "2026-01-01T00:00:00.000Z",
            "modifiedTime": changed,
            "version": str(self.version),
            "trashed": self.gone(),
            "spaces": ["drive"],
            "capabilities": {"canDownload": self.can_download, "canEdit": False},
        }
        if self.parent is not None:
            told["parents"] = [self.parent.id]
        if self.drive_id is not None:
            told["driveId"] = self.drive_id
        if self.resource_key is not None:
            told["resourceKey"] = self.resource_key
        if self.content is not None:
            told |= {"size": str(self.content.size), "originalFilename": self.name, **self.content.checksums}
            told |= {"headRevisionId": f"0B{self.id[:20]}{self.version}"}
            told |= {"fileExtension": PurePosixPath(self.name.replace("\0", "")).suffix.removeprefix(".")}
        if self.target is not None:
            told["shortcutDetails"] = {"targetId": self.target.id, "targetMimeType": self.target.mime_type}
            if self.target.resource_key is not None:
                told["shortcutDetails"]["targetResourceKey"] = self.target.resource_key
        return {**told, **self.extra}


class Tree:
    """All items. Ids are the same each time a tree is built in the same order, so links to it stay good.

    What is made takes the other fields of ``Item`` by name."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.drives: dict[str, str] = {}
        """Shared drives: their names by id."""
        self._within: dict[str, dict[str, Item]] = defaultdict(dict)
        self._numbers = itertools.count()

    def folder(self, name: str, parent: Item | None = None, **more: Any) -> Item:
        """A folder; without ``parent`` one that only its sharing shows."""
        return self._add(Item(more.pop("id", self._id("1")), name, FOLDER, parent), more)

    def shared_drive(self, name: str, *members: str) -> Item:
        """The top folder of a shared drive, whose name is always ``Drive``."""
        number = self._id("0A")[:12] + "Uk9PVA"
        self.drives[number] = name
        return self._add(Item(number, "Drive", FOLDER, shared=frozenset(members), drive_id=number), {})

    def file(
        self, name: str, parent: Item | None, content: bytes | Content, mime_type: str = "image/jpeg", **more: Any
    ) -> Item:
        """A file with this content."""
        held = Content.of(content) if isinstance(content, bytes) else content
        return self._add(Item(more.pop("id", self._id("1")), name, mime_type, parent, content=held), more)

    def picture(self, name: str, parent: Item | None, width: int = 320, height: int = 240, **more: Any) -> Item:
        """A JPEG that is unlike all others here, byte by byte."""
        return self.file(name, parent, numbered_picture(next(self._numbers), width, height), **more)

    def pictures(self, count: int, parent: Item, width: int = 320, height: int = 240) -> list[Item]:
        """``count`` of them: ``picture-00000.jpg`` and so on."""
        return [self.picture(f"picture-{number:05}.jpg", parent, width, height) for number in range(count)]

    def document(self, name: str, parent: Item, kind: str = "document", **more: Any) -> Item:
        """A document of Google's own kind: ``document``, ``spreadsheet``, ``presentation``."""
        return self._add(Item(self._id("1"), name, NATIVE + kind, parent), more)

    def shortcut(self, name: str, parent: Item, target: Item, **more: Any) -> Item:
        """A shortcut to ``target``."""
        return self._add(Item(self._id("1"), name, SHORTCUT, parent, target=target), more)

    def write(self, item: Item, content: bytes) -> None:
        """Puts a new content into a file."""
        item.content, item.version = Content.of(content), item.version + 1

    def remove(self, item: Item) -> None:
        """Deletes it for good."""
        del self.items[item.id]
        if item.parent is not None:
            del self._within[item.parent.id][item.id]

    def within(self, folder_id: str) -> list[Item]:
        """What is in a folder, trash not counted."""
        if self.items[folder_id].gone():
            return []
        return [item for item in self._within[folder_id].values() if not item.trashed]

    def _add(self, item: Item, more: Mapping[str, Any]) -> Item:
        for name, value in more.items():
            if not hasattr(item, name):
                raise TypeError(f"an item has no {name!r}")
            setattr(item, name, frozenset(value) if name == "shared" and not isinstance(value, str) else value)
        if isinstance(item.shared, str):
            item.shared = frozenset({item.shared})
        if item.parent is not None:
            item.drive_id = item.parent.drive_id
            self._within[item.parent.id][item.id] = item
        self.items[item.id] = item
        return item

    def _id(self, prefix: str) -> str:
        digest = hashlib.sha256(f"drive {next(self._numbers)}".encode()).digest()
        return (prefix + urlsafe_b64encode(digest).decode().rstrip("="))[:33]


def numbered_picture(number: int, width: int = 320, height: int = 240) -> bytes:
    """A JPEG whose comment has ``number``, which takes no time to make."""
    comment = f"picture {number}".encode()
    picture = _picture(width, height)
    return b"%b\xff\xfe%b%b%b" % (picture[:2], (len(comment) + 2).to_bytes(2, "big"), comment, picture[2:])


@lru_cache(16)
def _picture(width: int, height: int) -> bytes:
    return sample_picture(width, height)
