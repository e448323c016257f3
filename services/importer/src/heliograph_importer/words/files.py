"""Fetches the file of a photo and takes it in like an upload. The URL is the provider's, so it goes through the guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from heliograph_common.contracts.subjects import Priority
from heliograph_common.contracts.word_messages import Photo
from heliograph_common.db.rows import Connection, Row
from heliograph_common.errors import RejectedImage
from heliograph_common.ingest.accept import Ingest
from heliograph_common.ingest.sniff import Limits
from heliograph_common.ingest.spool import spool
from heliograph_common.outbound.client import GuardedClient
from heliograph_common.outbound.errors import EncodingRefused, RequestFailed, RequestRefused, UnknownHost

_OK = 200
_LONGEST_NAME = 80


class FileFailed(Exception):
    """The file was not fetched. ``final``: trying again does not help."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final


class Files:
    """Stores copies of photos for ``owner``."""

    def __init__(self, client: GuardedClient, ingest: Ingest, limits: Limits, *, owner: str) -> None:
        self._client = client
        self._ingest = ingest
        self._limits = limits
        self._owner = owner

    async def store(
        self, url: str, photo: Photo, word: str, settle: Callable[[Connection, Row[Any]], Awaitable[None]]
    ) -> None:
        """Fetches the file at ``url``. ``settle`` is given the image that it has become, in the transaction that accepts it.

        Raises:
            FileFailed: see there.
            BlobsUnavailable, BlobUnreadable, DatabaseUnavailable: nothing was accepted; try again.
        """
        try:
            async with self._client.stream(url, headers={"Accept": "image/*"}) as response:
                if response.status != _OK:
                    final = response.status < 500 and response.status not in {408, 425, 429}
                    raise FileFailed(f"{response.host} answered {response.status}", final=final)
                async with spool(response.chunks, self._limits) as spooled:
                    await self._ingest.accept(
                        spooled,
                        owner=self._owner,
                        name=f"{word[:_LONGEST_NAME]}.jpg",
                        source=photo.provider,
                        source_ref=photo.id,
                        priority=Priority.LOW,
                        settle=settle,
                    )
        except (RequestRefused, UnknownHost, EncodingRefused, RejectedImage) as error:
            raise FileFailed(str(error), final=True) from error
        except RequestFailed as error:
            raise FileFailed(str(error), final=False) from error

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.close()
