"""The asynchronous client: the routes of the API as methods. ``sync.py`` wraps it for code without an event loop.

Uses transport.py for HTTP, events.py for the event stream, waiting.py for both. Every method raises what errors.py draws:
``ProblemError`` when the server refuses, ``Unreachable`` when none answers, each after the retries of ``RetryPolicy``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from heliograph_client.administration import Administration
from heliograph_client.analyses import Analyzing
from heliograph_client.body import Body, Progress, Source
from heliograph_client.connection import Connection, find_connection
from heliograph_client.direct import upload_direct
from heliograph_client.errors import Unreachable
from heliograph_client.events import EventStream
from heliograph_client.files import whole_file
from heliograph_client.imports import Importing
from heliograph_client.models import (
    DisplaySize,
    Event,
    Image,
    Page,
    Priority,
    QueueStatus,
    Rendition,
    Reset,
    SignedUrl,
    Status,
)
from heliograph_client.pages import (
    DisplaySizes,
    ImagePage,
    cursor_in,
    image_path,
)
from heliograph_client.retry import RetryPolicy
from heliograph_client.transport import Transport, parse
from heliograph_client.waiting import OnStage, Waiter
from heliograph_client.words import Wording


class AsyncClient(Administration, Analyzing, Importing, Wording):
    """A client of one server; use it as a context manager, from one event loop.

    ``connection`` says where the server is; without one it is looked for as ``find_connection`` tells.
    """

    def __init__(self, connection: Connection | None = None, *, policy: RetryPolicy | None = None) -> None:
        self.connection = connection or find_connection()
        self._policy = policy or RetryPolicy()
        self._transport = Transport(self.connection, self._policy)
        self._waiter = Waiter(
            lambda on_connected: EventStream(
                self.connection, self._policy, types=("image.*",), on_connected=on_connected
            ),
            self.get,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._waiter.aclose()
        await self._transport.aclose()

    async def upload(
        self,
        source: Source,
        *,
        name: str | None = None,
        priority: Priority = "normal",
        analyze: str | None = None,
        on_progress: Progress | None = None,
    ) -> Image:
        """Sends one picture, streamed; a path lends it its name. ``created`` of the answer is ``False`` when the same
        bytes were there already, which also makes a repeated upload safe. A stream that cannot be read again is not
        tried again. ``analyze`` is the analysis profile for it: ``analyses`` has the result.

        Raises:
            Rejected: the server does not take it: too large, broken, or no picture.
            OSError: the file cannot be read.
        """
        body = Body(source, on_progress)
        params = {"name": name or body.name, "priority": priority, "analyze": analyze}
        response = await self._transport.request("POST", "/v1/images", params=params, body=body)
        image = parse(Image, response)
        return image.model_copy(update={"created": response.status_code == 201})

    async def upload_direct(
        self,
        source: Source,
        *,
        name: str | None = None,
        priority: Priority = "normal",
        analyze: str | None = None,
        on_progress: Progress | None = None,
    ) -> Image:
        """As ``upload``, past the gateway: the file goes straight into the object store, and not at all where the server
        has it. It is read twice, so it must be a path, bytes or a seekable file.

        Raises:
            Rejected: the server does not take it, or it changed while it was sent.
            ValueError: the source can be read only once.
            OSError: the file cannot be read.
        """
        options = {"priority": priority} | ({"analyze": analyze} if analyze else {})
        return await upload_direct(self._transport, source, name=name, options=options, on_progress=on_progress)

    async def get(self, image_id: UUID | str) -> Image:
        """One image.

        Raises:
            NotFound: there is none of that id.
        """
        return parse(Image, await self._transport.request("GET", image_path(image_id)))

    async def page(
        self,
        *,
        status: Status | None = None,
        source: str | None = None,
        name: str | None = None,
        q: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Image]:
        """One page of images, newest first; ``limit`` is its length, up to 200. ``name`` is text in the name; ``q``
        searches the words of name, caption, alternative text and tags: ``beach -people "red car"``."""
        params = {
            "status": status,
            "source": source,
            "name": name,
            "q": q,
            "created_after": created_after and created_after.isoformat(),
            "created_before": created_before and created_before.isoformat(),
            "limit": limit,
            "cursor": cursor,
        }
        found = parse(ImagePage, await self._transport.request("GET", "/v1/images", params=params))
        return Page(items=found.images, next_cursor=cursor_in(found.next))

    async def list(
        self,
        *,
        status: Status | None = None,
        source: str | None = None,
        name: str | None = None,
        q: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        page_size: int = 100,
    ) -> AsyncGenerator[Image, None]:
        """All images that match, newest first, fetched page by page."""
        cursor: str | None = None
        while True:
            page = await self.page(
                status=status,
                source=source,
                name=name,
                q=q,
                created_after=created_after,
                created_before=created_before,
                limit=page_size,
                cursor=cursor,
            )
            for image in page.items:
                yield image
            if (cursor := page.next_cursor) is None:
                return

    async def delete(self, image_id: UUID | str) -> None:
        """Deletes an image and its renditions.

        Raises:
            NotFound: there is none of that id.
        """
        await self._transport.request("DELETE", image_path(image_id))

    async def retry(self, image_id: UUID | str) -> Image:
        """Queues a failed image again.

        Raises:
            Conflict: it has not failed.
        """
        return parse(Image, await self._transport.request("POST", f"{image_path(image_id)}/retry", repeatable=False))

    async def rendition_url(self, rendition: Rendition) -> SignedUrl:
        """A URL from which anyone can fetch the rendition until it expires.

        Raises:
            NotRendered: it is not there yet.
        """
        return parse(SignedUrl, await self._transport.request("GET", rendition.url, params={"url": "true"}))

    async def download(self, rendition: Rendition, to: str | os.PathLike[str]) -> Path:
        """Saves a rendition, or ``Image.original``, as the file ``to``; it appears there whole or not at all.

        Raises:
            NotRendered: it is not there yet.
            OSError: the file cannot be written.
        """
        target = Path(to)
        failures = 0
        while True:
            try:
                return await self._download_once(rendition, target)
            except Unreachable:
                failures += 1
                if (delay := self._policy.delay(failures)) is None:
                    raise
                await asyncio.sleep(delay)

    async def wait(
        self,
        image_id: UUID | str,
        timeout: float | None = 300.0,  # noqa: ASYNC109 - the wait goes on polling, so it ends in words of its own
        *,
        on_stage: OnStage | None = None,
    ) -> Image:
        """The image once it is complete or failed (see its ``status``); by events, or by polling where there are none.

        Raises:
            WaitTimeout: it was neither within ``timeout`` seconds.
            NotFound: there is none of that id, or it was deleted meanwhile.
        """
        return await self._waiter.wait(UUID(str(image_id)), timeout, on_stage)

    async def events(
        self, *, cursor: str | None = None, types: Sequence[str] = ()
    ) -> AsyncGenerator[Event | Reset, None]:
        """Events as they happen, or all since ``cursor``; each once, and none of an image after one of a higher
        ``revision``. Goes on by itself when the connection is lost. ``types`` such as ``image.ready`` or ``image.*``; all
        when empty. A ``Reset`` says that events were missed; what was known of revisions still holds then. Revisions of
        the last 10,000 images are kept: of others an older event may come late.

        Raises:
            EventsRefused: the server closed the stream for good.
            Unauthorised: the token is not acceptable.
        """
        async with aclosing(EventStream(self.connection, self._policy, cursor=cursor, types=types).items()) as items:
            async for item in items:
                yield item

    async def queue(self) -> QueueStatus:
        """What is still to do, and what was finished."""
        return parse(QueueStatus, await self._transport.request("GET", "/v1/queue", admin=True))

    async def display_sizes(self) -> Sequence[DisplaySize]:
        """The sizes that images are rendered in."""
        return parse(DisplaySizes, await self._transport.request("GET", "/v1/settings/display-sizes")).sizes

    async def set_display_sizes(self, sizes: Sequence[DisplaySize]) -> Sequence[DisplaySize]:
        """Replaces all sizes; images that come from now on are rendered in them. For administrators."""
        body = {"sizes": [size.model_dump(mode="json") for size in sizes]}
        return parse(DisplaySizes, await self._admin("PUT", "/v1/settings/display-sizes", json=body)).sizes

    async def _download_once(self, rendition: Rendition, target: Path) -> Path:
        signed = await self.rendition_url(rendition)
        with whole_file(target) as file:
            async with self._transport.fetch(signed.url) as chunks:
                async for chunk in chunks:
                    file.write(chunk)
            if file.tell() != rendition.bytes:
                raise Unreachable(
                    f"{rendition.name} ended after {file.tell():,} of {rendition.bytes:,} bytes; download it again"
                )
        return target
