"""The source of lists of URLs. A list is one folder, of pages by index; a file's ref is its address.

A server tells the revision of a file with its content only, so a file is opened with a conditional request where the owner
has it already (``revisions``). Each request, also one after a redirect, waits for the budget of its host.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from urllib.parse import unquote, urlsplit

from heliograph_common.outbound.client import GuardedClient, Response
from heliograph_common.outbound.errors import EncodingRefused, RequestFailed, RequestRefused, UnknownHost
from heliograph_common.outbound.resolver import Resolver
from heliograph_importer.settings import UrlSettings
from heliograph_importer.sources.port import (
    Budget,
    Credential,
    CredentialRefused,
    CursorLost,
    Download,
    Folder,
    Forbidden,
    Location,
    Missing,
    NotDownloadable,
    Page,
    ProviderFailed,
    RemoteFile,
    Source,
    Unchanged,
)
from heliograph_importer.sources.urls import answers
from heliograph_importer.sources.urls.revisions import conditional, revision_of

PAGE = 1_000
"""Addresses of a page."""
_LONGEST_NAME = 200
_ACCEPT = "image/*,*/*;q=0.5"
_NOT_MODIFIED = 304


class UrlList:
    """Makes the sources; their requests share one guarded client. See ``Provider``."""

    name = "urls"

    def __init__(self, settings: UrlSettings, *, resolver: Resolver | None = None) -> None:
        self._client = GuardedClient(settings.allowed_networks, resolver=resolver)

    def source(self, location: Location, credential: Credential | None, budget: Budget) -> Source:
        """See ``Provider``."""
        if credential is not None:
            raise CredentialRefused("lists of URLs take no credential: leave it out")
        return _UrlSource(location.urls, self._client, budget)

    async def close(self) -> None:
        """See ``Provider``."""
        await self._client.close()


class _UrlSource:
    """One list. See ``Source``."""

    def __init__(self, urls: Sequence[str], client: GuardedClient, budget: Budget) -> None:
        self._urls = urls
        self._client = client
        self._budget = budget

    async def root(self) -> tuple[Folder, str]:
        """See ``Source``."""
        return Folder(ref="urls"), "URL list"

    async def list(self, folder: Folder, cursor: str) -> Page:
        """See ``Source``."""
        try:
            start = int(cursor or "0")
        except ValueError as error:
            raise CursorLost(f"the cursor {cursor[:20]!r} is no index") from error
        end = start + PAGE
        following = str(end) if end < len(self._urls) else None
        return Page(files=[_file(url) for url in self._urls[start:end]], next=following)

    @asynccontextmanager
    async def open(self, file: RemoteFile) -> AsyncIterator[Download]:
        """See ``Source``."""
        headers = {"Accept": _ACCEPT, **conditional(file.known_revision)}
        with _translated():
            async with self._client.stream(file.ref, headers=headers, before=self._budget.spend) as response:
                revision = _revision(file, response)
                answers.check(response.status, response.headers, response.host, file.path)
                async with aclosing(_chunks(response)) as chunks:
                    yield Download(chunks=chunks, size=response.size, revision=revision)

    async def probe(self) -> None:
        """There is no provider that could be away as a whole: each host answers for its own files."""


def _revision(file: RemoteFile, response: Response) -> str | None:
    """The revision of the content. Raises ``Unchanged`` if it is the known one, said by the status or, where the server
    ignored the condition, by the headers."""
    if response.status == _NOT_MODIFIED and file.known_revision is not None:
        raise Unchanged
    revision = revision_of(response.headers) if response.status == 200 else None
    if revision is not None and revision == file.known_revision:
        raise Unchanged
    return revision


async def _chunks(response: Response) -> AsyncGenerator[bytes, None]:
    with _translated():
        async for chunk in response.chunks:
            yield chunk


@contextmanager
def _translated() -> Iterator[None]:
    """Turns errors of the guard into those of the port."""
    try:
        yield
    except RequestRefused as error:
        raise Forbidden(str(error)) from error
    except UnknownHost as error:
        raise Missing(str(error)) from error
    except EncodingRefused as error:
        raise NotDownloadable(str(error)) from error
    except RequestFailed as error:
        raise ProviderFailed(str(error)) from error


def _file(url: str) -> RemoteFile:
    """The file at ``url``. Its path for people is host and path: a query may carry a secret."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    segments = [readable for each in parts.path.split("/") if (readable := _readable(each))]
    return RemoteFile(ref=url, name=segments[-1] if segments else host, path="/".join([host, *segments]))


def _readable(segment: str) -> str:
    """A part of a path for people: decoded, without what would make it another path or cannot be shown."""
    text = unicodedata.normalize("NFC", unquote(segment, errors="replace"))
    shown = "".join("_" if each in "/\\" or unicodedata.category(each) in {"Cc", "Cs"} else each for each in text)
    return shown.strip()[:_LONGEST_NAME].strip() if shown.strip(" .") else ""
