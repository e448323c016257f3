"""The methods of the client for imports: folders of providers and lists of URLs, fetched by the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

from heliograph_client.errors import WaitTimeout
from heliograph_client.import_models import (
    Import,
    ImportFile,
    ImportFilePage,
    ImportFileStatus,
    ImportPage,
    ImportStatus,
    ProviderToken,
)
from heliograph_client.pages import cursor_in
from heliograph_client.transport import Transport, parse

IMPORTS = "/v1/imports"
OnProgress = Callable[[Import], None]
"""Called with the import each time it was looked at."""

_FIRST_LOOK, _LONGEST = 0.2, 2.0


class Importing:
    """A part of ``AsyncClient``, which has the transport."""

    _transport: Transport

    async def start_import(
        self,
        source: str,
        url: str | None = None,
        *,
        urls: Sequence[str] | None = None,
        recursive: bool = True,
        analyze: str = "",
        credential: str | None = None,
        authorization: ProviderToken | None = None,
    ) -> Import:
        """Has the server import the folder at ``url`` of ``source`` (such as ``google_drive``) or, with the source
        ``urls``, each of ``urls``. It goes on by itself: ``wait_for_import`` follows it. ``credential`` names one of the
        installation's; ``authorization`` is the user's own token.

        Raises:
            Rejected: the link is no link to a folder, or a field does not go with the source.
            Conflict: too many imports of the caller are going on.
        """
        body: dict[str, Any] = {"source": source, "recursive": recursive, "analyze": analyze}
        given = {"url": url, "urls": None if urls is None else list(urls), "credential": credential}
        body |= {name: value for name, value in given.items() if value is not None} | _authorized(authorization)
        return parse(Import, await self._transport.request("POST", IMPORTS, json=body, repeatable=False))

    async def imports(
        self, *, status: ImportStatus | None = None, source: str | None = None, page_size: int = 20
    ) -> AsyncGenerator[Import, None]:
        """All imports that match, newest first, fetched page by page."""
        cursor: str | None = None
        while True:
            params = {"status": status, "source": source, "limit": page_size, "cursor": cursor}
            page = parse(ImportPage, await self._transport.request("GET", IMPORTS, params=params))
            for each in page.imports:
                yield each
            if (cursor := cursor_in(page.next)) is None:
                return

    async def get_import(self, import_id: UUID | str) -> Import:
        """One import.

        Raises:
            NotFound: there is none of that id.
        """
        return parse(Import, await self._transport.request("GET", import_path(import_id)))

    async def import_files(
        self, import_id: UUID | str, *, status: ImportFileStatus | None = None, page_size: int = 200
    ) -> AsyncGenerator[ImportFile, None]:
        """The files of an import in the order in which they were found, fetched page by page.

        Raises:
            NotFound: there is no import of that id.
        """
        cursor: str | None = None
        while True:
            params = {"status": status, "limit": page_size, "cursor": cursor}
            answer = await self._transport.request("GET", f"{import_path(import_id)}/files", params=params)
            page = parse(ImportFilePage, answer)
            for each in page.files:
                yield each
            if (cursor := cursor_in(page.next)) is None:
                return

    async def cancel_import(self, import_id: UUID | str) -> Import:
        """Ends an import where it stands; its images stay.

        Raises:
            Conflict: it has ended.
        """
        path = f"{import_path(import_id)}/cancel"
        return parse(Import, await self._transport.request("POST", path, repeatable=False))

    async def retry_import(self, import_id: UUID | str, *, authorization: ProviderToken | None = None) -> Import:
        """Queues what has failed again and, of an import that was canceled or failed, what was left undone. One that used a
        user's token wants it again once it has ended.

        Raises:
            Conflict: there is nothing to do again.
            Rejected: the token is wanted.
        """
        path = f"{import_path(import_id)}/retry"
        body = _authorized(authorization)
        return parse(Import, await self._transport.request("POST", path, json=body or None, repeatable=False))

    async def wait_for_import(
        self,
        import_id: UUID | str,
        timeout: float | None = None,  # noqa: ASYNC109 - the import goes on, so the wait ends in words of its own
        *,
        on_progress: OnProgress | None = None,
    ) -> Import:
        """The import once it has ended (see its ``status``).

        Raises:
            WaitTimeout: it has not within ``timeout`` seconds.
            NotFound: there is none of that id.
        """
        until = None if timeout is None else time.monotonic() + timeout
        interval = _FIRST_LOOK
        while True:
            found = await self.get_import(import_id)
            if on_progress:
                on_progress(found)
            if found.finished:
                return found
            left = interval if until is None else until - time.monotonic()
            if left <= 0:
                raise WaitTimeout(
                    f"import {import_id} has not ended after {timeout:g} s; it goes on: wait longer, or look again with "
                    f"`heliograph import get {import_id}`"
                )
            await asyncio.sleep(min(interval, left))
            interval = min(interval * 1.5, _LONGEST)


def import_path(import_id: UUID | str) -> str:
    """Where an import is."""
    return f"{IMPORTS}/{quote(str(import_id), safe='')}"


def _authorized(token: ProviderToken | None) -> dict[str, Any]:
    return {} if token is None else {"authorization": token.model_dump(mode="json", exclude_none=True)}
