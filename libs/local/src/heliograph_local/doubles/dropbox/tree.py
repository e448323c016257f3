"""What a double of Dropbox holds: folders and files in memory, links that share them, and accounts that own them."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from dropbox.content_hash import DropboxContentHasher

EPOCH = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the SDK has times without a zone, which are UTC
SCOPES = frozenset({"account_info.read", "files.metadata.read", "files.content.read", "sharing.read"})
_PIECE = 64 << 10


@dataclass(eq=False, kw_only=True)
class File:
    """Its content is ``content`` over and over, ``times`` times, so that a large file takes little memory. ``exported_as``:
    it is no file but a document of Dropbox's own kind, which can only be exported to that type."""

    name: str
    id: str
    content: bytes
    times: int = 1
    exported_as: str | None = None
    symlink_to: str | None = None

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content) * self.times

    @cached_property
    def content_hash(self) -> str:
        """https://www.dropbox.com/developers/reference/content-hash"""
        hasher = DropboxContentHasher()
        for piece in self.pieces():
            hasher.update(piece)
        return str(hasher.hexdigest())

    @property
    def rev(self) -> str:
        """Changes with the content."""
        return hashlib.sha256(f"{self.id}{self.content_hash}".encode()).hexdigest()[:15]

    def replace(self, content: bytes) -> None:
        """Saves other content under the same name, as a user would."""
        self.content, self.times = content, 1
        self.__dict__.pop("content_hash", None)

    def pieces(self) -> Iterator[bytes]:
        """The content, in pieces that are not large."""
        for _ in range(self.times):
            for begin in range(0, len(self.content), _PIECE):
                yield self.content[begin : begin + _PIECE]


@dataclass(eq=False, kw_only=True)
class Folder:
    """Names in it are told apart without regard to case, as Dropbox does."""

    name: str
    id: str = ""
    entries: dict[str, File | Folder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.id = self.id or _id(self.name)

    def folder(self, path: str) -> Folder:
        """The folder at ``path``, made if there is none."""
        found = self
        for name in _names(path):
            entry = found.entries.setdefault(name.lower(), Folder(name=name, id=_id(f"{found.id}/{name}")))
            if not isinstance(entry, Folder):
                raise TypeError(f"{path} is a file")
            found = entry
        return found

    def file(self, path: str, content: bytes = b"", *, times: int = 1) -> File:
        """A new file, in folders that are made if there are none."""
        *above, name = _names(path)
        parent = self.folder("/".join(above))
        file = File(name=name, id=_id(f"{parent.id}/{name}"), content=content, times=times)
        parent.entries[name.lower()] = file
        return file

    def remove(self, path: str) -> None:
        """Deletes what is at ``path``."""
        *above, name = _names(path)
        del self.folder("/".join(above)).entries[name.lower()]

    def find(self, path: str) -> File | Folder | None:
        """What is at ``path``, itself at the empty one; or by its id."""
        if path.startswith("id:"):
            return next((entry for entry in self.all() if entry.id == path), None)
        found: File | Folder | None = self
        for name in _names(path):
            found = found.entries.get(name.lower()) if isinstance(found, Folder) else None
        return found

    def all(self) -> Iterator[File | Folder]:
        """Itself and all below."""
        yield self
        for entry in self.entries.values():
            yield from entry.all() if isinstance(entry, Folder) else (entry,)


@dataclass(kw_only=True)
class SharedLink:
    """A link to ``folder``, or to a single file. ``key`` is the part of it that is secret."""

    target: Folder | File
    ident: str
    key: str
    password: str | None = None
    audience: Literal["public", "team", "no_one"] = "public"
    expired: bool = False
    downloads: bool = True

    @property
    def url(self) -> str:
        """As Dropbox gives it to be copied."""
        kind = "fo" if isinstance(self.target, Folder) else "fi"
        return f"https://www.dropbox.com/scl/{kind}/{self.ident}/double?rlkey={self.key}&dl=0"


@dataclass(kw_only=True)
class Account:
    """A user's, with the tokens that the double accepts for it."""

    root: Folder
    token: str
    refresh_token: str
    scopes: frozenset[str] = SCOPES
    expired: set[str] = field(default_factory=set)
    suspended: bool = False
    refreshed: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def expire(self) -> None:
        """Ends the access token that it has now; it can be refreshed."""
        self.expired.add(self.token)

    def refresh(self) -> str:
        """A new access token."""
        self.token = f"{self.refresh_token}-access-{next(self.refreshed)}"
        return self.token


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _id(seed: str) -> str:
    """The same each time the same tree is built."""
    return (
        f"id:{base64.urlsafe_b64encode(hashlib.sha256(seed.encode('utf-8', 'surrogatepass')).digest()).decode()[:22]}"
    )
