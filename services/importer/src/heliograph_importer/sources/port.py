"""What the importer needs of a provider of files, and what may go wrong there. Each adapter is a package beside this module;
``tests/ports/test_sources`` holds all of them to it.

An adapter translates its vendor's answers into these types and errors at its edge. It waits for its ``Budget`` before each
request, bounds each wait on a server, and leaves retries to its callers: it never tries again by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from heliograph_common.errors import Permanent, RemoteFailure, Temporary


class SourceError(Permanent):
    """A file or folder cannot be had, and trying again does not help: the message names the remedy. ``code`` is what the API
    tells beside it."""

    code: ClassVar[str] = "source_error"


class NotAFolder(SourceError):
    """The link leads to something that is not a folder: share the folder and use its link."""

    code = "not_a_folder"


class Missing(SourceError):
    """The file or folder does not exist (any more): check the link."""

    code = "not_found"


class AccessDenied(SourceError):
    """The credential may not read it: the message names the permission that is missing."""

    code = "access_denied"


class CredentialRefused(SourceError):
    """The provider does not accept the credential: renew it, or have an administrator check the installation's."""

    code = "credential_refused"


class NotDownloadable(SourceError):
    """The file exists and has no content to download, such as a document of the provider's own kind."""

    code = "not_downloadable"


class Forbidden(SourceError):
    """The address may not be requested by a server, such as one of a private network."""

    code = "forbidden_address"


class CursorLost(RemoteFailure):
    """The provider has forgotten the cursor: list the folder again from its beginning."""


class QuotaExceeded(Temporary):
    """The provider wants no more requests for ``delay`` seconds. ``budget``: whose requests; ``None`` for all of the
    credential's."""

    def __init__(self, message: str, *, delay: float, budget: str | None = None) -> None:
        super().__init__(message, delay=delay)
        self.budget = budget


class Unchanged(Exception):
    """No failure: opening the file showed that its content is still that of ``RemoteFile.known_revision``, and nothing was
    fetched. Sources that learn revisions when they list need not raise it."""


class ProviderFailed(RemoteFailure):
    """The provider did not answer, answered with an error of its own, or broke off. ``Source.probe`` tells whether it is
    away altogether."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder to list: ``ref`` is the provider's reference, one for each folder of an import; ``path`` is for people, from
    the folder that is imported on, and empty for that one; ``details`` are what the adapter wants to know again."""

    ref: str
    path: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of a folder. ``ref`` is the provider's reference, the same in every import; ``path`` is for people, the name
    included. ``size`` in bytes and ``mime_type`` as the provider tells them, who may be wrong, ``None`` where it does not;
    ``revision`` changes with the content, and may be a checksum; ``None`` where the provider tells it with the content only:
    then ``known_revision`` is the one that the owner has already, filled in before the file is opened, and ``open`` raises
    ``Unchanged`` if that is still it. ``skip`` says why a file need not be fetched, as (code, reason): the codes
    ``document``, ``not_an_image`` and ``not_downloadable`` are for that."""

    ref: str
    name: str
    path: str
    size: int | None = None
    mime_type: str | None = None
    revision: str | None = None
    known_revision: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, str] | None = None


@dataclass(frozen=True)
class Page:
    """A page of a folder: its files, the folders in it, and the cursor of the next page; ``None`` on the last."""

    files: Sequence[RemoteFile] = ()
    folders: Sequence[Folder] = ()
    next: str | None = None


@dataclass(frozen=True, kw_only=True)
class Location:
    """What is imported: what ``contracts.links`` read from the link, or the addresses of a list."""

    link: Mapping[str, str] = field(default_factory=dict)
    urls: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that is being fetched: its ``chunks``, each of at most some 256 kB, and its ``size`` in bytes where the
    provider tells it with them. ``chunks`` raises ``ProviderFailed`` where they end before that. ``revision`` is that of
    this content where the list did not have it."""

    chunks: AsyncIterator[bytes]
    size: int | None = None
    revision: str | None = None


class Source(Protocol):
    """One place to import from, with the credential for it. Methods may be called side by side."""

    async def root(self) -> tuple[Folder, str]:
        """The folder that the location leads to, and its name for people.

        Raises:
            SourceError, QuotaExceeded, ProviderFailed: see there.
        """

    async def list(self, folder: Folder, cursor: str) -> Page:
        """The page of ``folder`` at ``cursor``, which is empty for the first.

        Raises:
            CursorLost, SourceError, QuotaExceeded, ProviderFailed: see there.
        """

    def open(self, file: RemoteFile) -> AbstractAsyncContextManager[Download]:
        """Begins to fetch a file; leaving the block before its end gives up the rest.

        Raises:
            Unchanged: the owner has this content already; see there.
            SourceError, QuotaExceeded, ProviderFailed: see there.
        """

    async def probe(self) -> None:
        """Makes a cheap request of the provider, to tell whether it serves others while it fails on one file.

        Raises:
            ProviderFailed: it does not.
            QuotaExceeded: see there.
        """


class Budget(Protocol):
    """Requests that may be made of a provider, over all importers."""

    async def spend(self, name: str = "") -> None:
        """Waits for a turn, some seconds at most. ``name`` tells budgets within that of the credential apart, such as
        those of hosts.

        Raises:
            QuotaExceeded: the turn comes later.
        """


class Provider(Protocol):
    """Makes sources of one kind; keeps connections and access tokens between them."""

    @property
    def name(self) -> str:
        """Its name in the API: ``google_drive``."""

    def source(self, location: Location, credential: Credential | None, budget: Budget) -> Source:
        """The source of an import; makes no request.

        Raises:
            CredentialRefused: it cannot use a credential of this kind.
        """

    async def close(self) -> None:
        """Ends its connections."""


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key of an application, for what is public."""

    key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AppKey:
    """Key and secret of an application, for what is shared by link."""

    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ServiceAccount:
    """The JSON key of a service account."""

    info: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class OAuthToken:
    """A user's token; with ``refresh_token`` it can be renewed by the application's ``client_id`` and ``client_secret``,
    which default to the installation's. ``expires_at``: seconds of the epoch, ``None`` if unknown."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)


Credential = ApiKey | AppKey | ServiceAccount | OAuthToken
