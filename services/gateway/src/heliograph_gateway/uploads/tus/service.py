"""Resumable uploads, tus 1.0: bytes that come in several requests, perhaps to several gateways, become one image.

Each request's bytes are an object of their own (a part), and an upload is its row and the list
of its parts (``queries``; docs/adr/0011). What holds for whoever asks:

- What an upload's offset covers is stored. An offset equal to the length means more: the picture has been checked, and is
  an image. So the last bytes are not stored as a part but taken in with the others before them; the image and the end of
  its upload are one transaction.
- Of two requests that add to the same offset one wins; the other changes nothing.
- What breaks off counts as far as it came.

An upload that ended keeps its row for some time, without parts. ``uploads.collector`` removes what has expired.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, BinaryIO
from uuid import UUID

import structlog

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import Blobs
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Row
from heliograph_common.errors import BlobUnreadable, NotFound, RejectedImage, Stale, Temporary
from heliograph_common.http.problems import Problem
from heliograph_common.ids import new_id
from heliograph_common.ingest.accept import Ingest, Settle, safe_name
from heliograph_common.ingest.analysis import wanted
from heliograph_common.ingest.spool import Spool, limits_of
from heliograph_common.settings import LimitSettings
from heliograph_gateway.http.problems import NOT_FOUND, problem_of
from heliograph_gateway.settings import GatewayOwnSettings
from heliograph_gateway.uploads.options import SOURCE, UploadOptions
from heliograph_gateway.uploads.tus import checks as tus_checks
from heliograph_gateway.uploads.tus import queries as tus_rows
from heliograph_gateway.uploads.tus.body import Body
from heliograph_gateway.uploads.tus.headers import Concat
from heliograph_gateway.uploads.tus.queries import TusRow

log = structlog.get_logger(__name__)

_BLOCK = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What the headers of a creation say. ``length`` is ``None`` while it is deferred; ``metadata`` as it came."""

    length: int | None
    metadata: str
    options: UploadOptions
    concat: Concat | None


@dataclass(frozen=True)
class Progress:
    """How an upload stands after a request. ``expires_at`` is ``None`` once there is an image, which does not expire."""

    id: UUID
    offset: int
    expires_at: datetime | None
    image_id: UUID | None = None


class ResumableUploads:
    """Uploads within ``limits``; ``settings`` say how long after its last request one is kept."""

    def __init__(
        self, database: Database, ingest: Ingest, blobs: Blobs, limits: LimitSettings, settings: GatewayOwnSettings
    ) -> None:
        self._database = database
        self._ingest = ingest
        self._blobs = blobs
        self._limits = limits
        self._keep = timedelta(seconds=settings.upload_seconds)
        self.profiles = settings.analysis_profiles

    @property
    def max_size(self) -> int:
        """The most bytes that an upload may have."""
        return self._limits.file_bytes

    async def look(self, upload_id: UUID, owner: str) -> TusRow:
        """The upload's row.

        Raises:
            Problem: there is none, or it is over without an image.
        """
        async with self._database.transaction() as connection:
            found = await tus_rows.find(connection, [upload_id], owner)
        return tus_checks.alive(upload_id, found)

    async def create(self, owner: str, announced: Announced, body: Body) -> Progress:
        """A new upload, with as much of its bytes as the request had. One that comes whole needs no part.

        Raises:
            Problem, RejectedImage, Unavailable: nothing was made, or only an upload that nobody knows of.
        """
        length = announced.length
        if length is not None:
            tus_checks.length(length, self.max_size)
        with body:
            await body.receive(self.max_size if length is None else length)
            values = _values(owner, announced)
            if body.size == length and not values["partial"]:
                return await self._at_once(values, announced.options, (), body)
            body.raise_if_lost()  # nobody would know of the upload
            async with self._database.transaction() as connection:
                row = await tus_rows.create(connection, values, self._keep)
            return await self._take(row, length, body) if body.size else Progress(row.id, 0, row.expires_at)

    async def concatenate(self, owner: str, announced: Announced, urls: Sequence[str]) -> Progress:
        """A final upload: the image of partial ones, which stay for others to be made of them.

        Raises:
            Problem, RejectedImage, Unavailable: nothing was made.
        """
        ids = tus_checks.ids(urls)
        async with self._database.transaction() as connection:
            found = await tus_rows.find(connection, ids, owner)
            rows = [tus_checks.finished_partial(upload_id, found) for upload_id in ids]
            size = sum(row.position for row in rows)
            tus_checks.length(size, self.max_size)
            tus_checks.count(sum(row.parts for row in rows))
            parts = [part for row in rows for part in await tus_rows.parts(connection, row.id)]
        values = _values(owner, announced) | {"concatenates": list(urls)}
        return await self._at_once(values | {"length": size}, announced.options, parts, None)

    async def append(self, upload_id: UUID, owner: str, offset: int, body: Body, *, announced: int | None) -> Progress:
        """Adds the body at ``offset``; ``announced``: the length, where it was deferred until now.

        Raises:
            Problem, Unavailable: nothing was added.
            RejectedImage: these were the last bytes, and the whole is refused for good.
            ClientDisconnect: what came before it was added.
        """
        row = await self.look(upload_id, owner)
        length = tus_checks.may_append(row, offset, announced, body.announced, self.max_size)
        with body:
            await body.receive((self.max_size if length is None else length) - offset)
            progress = await self._take(row, length, body) if row.state == "open" else progress_of(row)
            body.raise_if_lost()
        return progress

    async def terminate(self, upload_id: UUID, owner: str) -> None:
        """Ends an upload and frees what it took. An image that it became stays.

        Raises:
            Problem: there is none.
        """
        async with self._database.transaction() as connection:
            tus_checks.known(upload_id, await tus_rows.find(connection, [upload_id], owner))
            await tus_rows.end(connection, upload_id)
        if await self._discard(keys.uploads(upload_id)):
            async with self._database.transaction() as connection:
                await tus_rows.forget(connection, upload_id)

    async def _take(self, row: TusRow, length: int | None, body: Body) -> Progress:
        """Stores what came, or finishes the upload with it."""
        end = row.position + body.size
        if end == length and not row.partial:
            return await self._finish(row, end, body)
        if body.size == 0 and length == row.length:
            return progress_of(row)
        key = await self._store(row, body, length) if body.size else None
        async with self._database.transaction() as connection:
            expires_at = await tus_rows.advance(connection, row, body.size, key, length=length, keep=self._keep)
        if expires_at is None:
            if key is not None:
                await self._discard(key)
            raise await self._changed(row)
        return Progress(row.id, end, expires_at)

    async def _finish(self, row: TusRow, length: int, body: Body) -> Progress:
        async with self._database.transaction() as connection:
            parts = await tus_rows.parts(connection, row.id)
        done = partial(tus_rows.complete, row, length, self._keep)
        try:
            image_id = await self._accept(row.owner, _options_of(row), parts, body, done)
        except NotFound as error:
            raise await self._gone(row) from error
        except Stale as error:
            raise await self._changed(row) from error
        except RejectedImage as error:
            await self._refuse(row, problem_of(error))
            raise
        await self._discard(keys.uploads(row.id))
        return Progress(row.id, length, None, image_id)

    async def _refuse(self, row: TusRow, problem: Problem) -> None:
        async with self._database.transaction() as connection:
            noted = await tus_rows.refuse(connection, row, problem.body(), keep=self._keep)
        if not noted:
            raise await self._changed(row)
        await self._discard(keys.uploads(row.id))

    async def _at_once(
        self, values: dict[str, Any], options: UploadOptions, parts: Iterable[Row[str, int]], body: Body | None
    ) -> Progress:
        """An upload that is complete when it is made."""
        done = partial(tus_rows.create_complete, values, self._keep)
        image_id = await self._accept(values["owner"], options, parts, body, done)
        return Progress(values["id"], values["length"], None, image_id)

    async def _accept(
        self, owner: str, options: UploadOptions, parts: Iterable[Row[str, int]], body: Body | None, done: Settle
    ) -> UUID:
        """Checks and takes in the picture that parts and body make; in the same transaction the upload is ``done``."""
        with Spool(limits_of(self._limits)) as spool:
            for part in parts:
                read = await self._blobs.download_to(part.key, spool)
                if read != part.bytes:
                    raise BlobUnreadable(f"{part.key} has {read} bytes, not {part.bytes}; look at that object")
            if body is not None:
                await asyncio.to_thread(_copy, body.file, spool)
            accepted = await self._ingest.accept(
                await spool.finish(),
                owner=owner,
                name=options.name,
                source=SOURCE,
                priority=options.priority,
                analyze=wanted(options.profile),
                settle=done,
            )
        image_id: UUID = accepted.row.id
        return image_id

    async def _store(self, row: TusRow, body: Body, length: int | None) -> str:
        tus_checks.room_for_part(row, row.position + body.size, length)
        key = keys.upload(row.id, f"{row.position}-{secrets.token_hex(8)}")
        await self._blobs.put(key, body.file, length=body.size, content_type="application/octet-stream")
        return key

    async def _changed(self, row: TusRow) -> Problem:
        """Why what was right when it began cannot be done."""
        return tus_checks.changed((await self.look(row.id, row.owner)).position)

    async def _gone(self, row: TusRow) -> Problem:
        """Why parts are missing: another request finished the upload, or they are lost."""
        if (await self.look(row.id, row.owner)).position != row.position:
            return await self._changed(row)
        return Problem(NOT_FOUND, "Bytes of the upload are missing from the object store. Create a new upload.")

    async def _discard(self, prefix: str) -> bool:
        """Deletes objects that are needed no more; those that cannot be deleted now are collected with their upload."""
        try:
            for key in [info.key async for info in self._blobs.list(prefix)]:
                await self._blobs.delete(key)
        except Temporary as error:
            log.warning("upload parts not deleted", prefix=prefix, error=str(error))
            return False
        return True


def _copy(file: BinaryIO, into: Spool) -> None:
    file.seek(0)
    while chunk := file.read(_BLOCK):
        into.write(chunk)


def _values(owner: str, announced: Announced) -> dict[str, Any]:
    return {
        "id": new_id(),
        "owner": owner,
        "name": safe_name(announced.options.name),
        "priority": announced.options.priority.value,
        "analysis_profile": announced.options.profile,
        "upload_metadata": announced.metadata,
        "length": announced.length,
        "partial": announced.concat is not None and announced.concat.partial,
    }


def _options_of(row: TusRow) -> UploadOptions:
    return UploadOptions(priority=Priority(row.priority), profile=row.analysis_profile, name=row.name)


def progress_of(row: TusRow) -> Progress:
    """How the upload stands, by its row."""
    return Progress(row.id, row.position, None if row.image_id else row.expires_at, row.image_id)
