"""Direct uploads: a file is announced, its client puts it into the object store itself, and completing the upload makes an
image of it.

The client can write the object for as long as its signed URL lives, before, while and
after it is looked at. So nothing is believed of the object but the one read that goes into a spool: what was hashed and
checked there is what ``Ingest.accept`` stores. The image's row and the end of the upload are one transaction, so an upload
becomes one image, however many complete it or abort it at once. Leaves out what nobody finishes (``uploads.collector``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import Blobs, Sink
from heliograph_common.clock import utc_now
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import statements
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Row
from heliograph_common.db.statements import ImageRow
from heliograph_common.errors import BlobsUnavailable, BlobUnreadable, NotFound, RejectedImage, Stale
from heliograph_common.http.problems import Problem
from heliograph_common.ids import new_id
from heliograph_common.ingest.accept import Accepted, Ingest, safe_name
from heliograph_common.ingest.analysis import wanted
from heliograph_common.ingest.spool import Spool, limits_of
from heliograph_common.settings import LimitSettings
from heliograph_gateway.http.problems import (
    IMAGE_TOO_LARGE,
    NOT_FOUND,
    UPLOAD_EXPIRED,
    UPLOAD_MISMATCH,
    UPLOAD_NOT_THERE,
    problem_of,
    problem_of_body,
)
from heliograph_gateway.settings import GatewayOwnSettings
from heliograph_gateway.uploads.direct import queries
from heliograph_gateway.uploads.direct.queries import UploadRow
from heliograph_gateway.uploads.options import SOURCE, UploadOptions

log = structlog.get_logger(__name__)

_OBJECT = "file"


def key_of(upload_id: UUID) -> str:
    """Where the client puts the file."""
    return keys.upload(upload_id, _OBJECT)


class DirectUploads:
    """Uploads within ``limits``; ``settings`` say how long one is kept and how many are completed at one time in this
    process, each of which takes a file's size of temporary disk. ``signed_url_seconds``: the life of a file's address."""

    def __init__(
        self,
        database: Database,
        ingest: Ingest,
        blobs: Blobs,
        limits: LimitSettings,
        settings: GatewayOwnSettings,
        *,
        signed_url_seconds: int,
    ) -> None:
        self._database = database
        self._ingest = ingest
        self._blobs = blobs
        self._limits = limits
        self._lifetime = timedelta(seconds=settings.upload_seconds)
        self._slots = asyncio.Semaphore(settings.completing)
        self._signed_url_seconds = signed_url_seconds
        self.profiles = settings.analysis_profiles
        self.batch_files = settings.batch_files

    async def create(self, owner: str, options: UploadOptions, *, size: int, sha256: str | None) -> UploadRow:
        """A new upload of ``size`` bytes; complete from the start where the owner has an image with this ``sha256``.

        Raises:
            Problem: a file of that size is not taken.
            DatabaseUnavailable: nothing was created.
        """
        if size > self._limits.file_bytes:
            detail = f"Limit exceeded: {size:,} bytes, the limit is {self._limits.file_bytes:,}."
            remedy = "Save the image at a smaller size, or ask an administrator to raise the limit."
            raise Problem(IMAGE_TOO_LARGE, detail, extra={"remedy": remedy, "limit_bytes": self._limits.file_bytes})
        upload_id = new_id()
        values = {
            "id": upload_id,
            "owner": owner,
            "name": safe_name(options.name),
            "priority": options.priority.value,
            "analysis_profile": options.profile,
            "bytes": size,
            "sha256": sha256,
        }
        if sha256 is not None:
            settle = partial(queries.insert_complete, values, self._lifetime)
            if await self._ingest.known(owner, sha256, analyze=wanted(options.profile), settle=settle):
                return await self.find(owner, upload_id)
        async with self._database.transaction() as connection:
            return await queries.insert_open(connection, values, self._lifetime)

    async def find(self, owner: str, upload_id: UUID) -> UploadRow:
        """The owner's upload.

        Raises:
            Problem: there is none, or it has expired without having been finished.
        """
        async with self._database.transaction() as connection:
            row = await queries.find(connection, upload_id, owner)
        if row is None:
            raise Problem(NOT_FOUND, f"Upload {upload_id} does not exist. It may have expired or been aborted.")
        if row.state == "open" and row.expires_at <= utc_now():
            raise Problem(UPLOAD_EXPIRED, f"The upload expired at {row.expires_at:%Y-%m-%d %H:%M:%S} UTC.")
        return row

    async def names(self, owner: str, ids: Sequence[UUID]) -> dict[UUID, str]:
        """The names of those of the uploads that are the owner's."""
        async with self._database.transaction() as connection:
            return await queries.names(connection, ids, owner)

    async def complete(self, owner: str, upload_id: UUID) -> Accepted:
        """Makes an image of the file that was sent; the same image when that was done before.

        Raises:
            Problem: there is no such upload, no file, or the file is refused: for good, and the row says why.
            Unavailable: the upload is as it was; try again.
        """
        row = await self.find(owner, upload_id)
        if row.state != "open":
            return await self._concluded(row)
        try:
            async with self._slots:
                accepted = await self._take(row)
        except (NotFound, Stale):  # the object or the row is gone: nothing was sent, or another request was quicker
            row = await self.find(owner, upload_id)
            if row.state != "open":
                return await self._concluded(row)
            raise Problem(UPLOAD_NOT_THERE, f"The object store has no file for upload {upload_id}.") from None
        except RejectedImage as error:
            return await self._refuse(row, problem_of(error))
        except Problem as problem:
            return await self._refuse(row, problem)
        await self._discard(upload_id)
        return accepted

    async def abort(self, owner: str, upload_id: UUID) -> None:
        """Forgets the upload and what was sent of it; an image that it became stays.

        Raises:
            Problem: there is none.
            Unavailable: try again.
        """
        await self.find(owner, upload_id)
        await self._blobs.delete(key_of(upload_id))
        async with self._database.transaction() as connection:
            await queries.forget(connection, upload_id)

    async def image_of(self, row: UploadRow) -> tuple[ImageRow, Sequence[Row[Any]]] | None:
        """The image that the upload became, with its renditions; ``None`` where there is none (any more)."""
        if row.image_id is None:
            return None
        async with self._database.transaction() as connection:
            image = await statements.find_image(connection, row.image_id, owner=row.owner)
            if image is None:
                return None
            return image, await statements.renditions_of(connection, image.id)

    async def signed_put(self, row: UploadRow) -> tuple[str, datetime]:
        """The address to which the client sends the file, and when it expires: with the upload at the latest, as what is
        written later belongs to no upload.

        Raises:
            BlobsUnavailable: the object store is away.
        """
        now = utc_now()
        seconds = max(1, min(self._signed_url_seconds, int((row.expires_at - now).total_seconds())))
        url = await self._blobs.presign_put(key_of(row.id), expires_in=seconds)
        return url, now + timedelta(seconds=seconds)

    async def _take(self, row: UploadRow) -> Accepted:
        """Reads the object once and has it accepted.

        Raises:
            NotFound: there is no object.
            Stale: the upload is not open any more; no image was made.
            RejectedImage, Problem: it is not taken.
        """
        key = key_of(row.id)
        found = await self._blobs.head(key)
        if found is None:
            raise NotFound(f"object {key} does not exist")
        if found.size != row.bytes:  # needs not be read
            raise _other_size(row, f"{found.size:,}")
        with Spool(limits_of(self._limits)) as spool:
            size = await self._blobs.download_to(key, _Capped(spool, row))
            if size != row.bytes:
                raise _other_size(row, f"{size:,}")
            spooled = await spool.finish()
            if row.sha256 not in {None, spooled.sha256}:
                raise Problem(
                    UPLOAD_MISMATCH,
                    f"The SHA-256 of the file is {spooled.sha256}, but the upload announced {row.sha256}.",
                )
            return await self._ingest.accept(
                spooled,
                owner=row.owner,
                name=row.name,
                source=SOURCE,
                priority=Priority(row.priority),
                analyze=wanted(row.analysis_profile),
                settle=partial(queries.conclude, row.id),
            )

    async def _concluded(self, row: UploadRow) -> Accepted:
        """What became of an upload that is not open any more."""
        if row.state == "refused":
            raise problem_of_body(row.problem)
        found = await self.image_of(row)
        if found is None:
            raise Problem(NOT_FOUND, "The image of this upload was deleted. Create a new upload to send it again.")
        return Accepted(found[0], created=False)

    async def _refuse(self, row: UploadRow, problem: Problem) -> Accepted:
        """Notes why and raises it, unless another request has concluded the upload meanwhile."""
        async with self._database.transaction() as connection:
            noted = await queries.refuse(connection, row.id, problem.body())
        if not noted:
            return await self._concluded(await self.find(row.owner, row.id))
        await self._discard(row.id)
        raise problem

    async def _discard(self, upload_id: UUID) -> None:
        """Deletes the object, which nobody needs any more; what stays is collected when the upload expires."""
        with contextlib.suppress(BlobsUnavailable, BlobUnreadable):
            await self._blobs.delete(key_of(upload_id))


class _Capped:
    """A spool for what was announced: the object may have become another one since its size was looked at."""

    def __init__(self, spool: Sink, row: UploadRow) -> None:
        self._spool = spool
        self._row = row
        self._size = 0

    def write(self, data: bytes, /) -> int:
        """Passes ``data`` on.

        Raises:
            Problem: it is more than was announced.
        """
        self._size += len(data)
        if self._size > self._row.bytes:
            raise _other_size(self._row, "more")
        return self._spool.write(data)


def _other_size(row: UploadRow, sent: str) -> Problem:
    return Problem(UPLOAD_MISMATCH, f"The upload announced {row.bytes:,} bytes, but the file has {sent}.")
