"""Takes a checked file in: original to the object store, then image row and messages in one transaction.

Uploads and imports both end here. The same bytes of the same owner are one image. Its priority is ``fairness``'s to
grant; asking a vision model about it is ``analysis``'s.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.blobs import keys
from heliograph_common.blobs.port import Blobs
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import ImageStored, RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import blob_locks
from heliograph_common.db.engine import Database
from heliograph_common.db.statements import ImageRow, event_facts, find_by_content, insert_image
from heliograph_common.ids import new_id
from heliograph_common.ingest import analysis, fairness
from heliograph_common.ingest.ports import Transactions
from heliograph_common.ingest.spool import Spooled
from heliograph_common.telemetry import metrics

_MAX_NAME = 255

Settle = Callable[[AsyncConnection, ImageRow], Awaitable[None]]
"""What else happens in the transaction that accepts a file, such as noting that its upload is over. What it raises undoes
the whole: no image then."""


@dataclass(frozen=True)
class Accepted:
    """The image's row; ``created`` is false when the owner had it already."""

    row: ImageRow
    created: bool


class Ingest:
    """Accepts files for owners."""

    def __init__(
        self, database: Database, transactions: Transactions, blobs: Blobs, *, waiting_before_low: int
    ) -> None:
        """``waiting_before_low``: how many pictures of an owner may wait before the next ones are queued at ``low``."""
        self._database = database
        self._transactions = transactions
        self._blobs = blobs
        self._before_low = waiting_before_low

    async def accept(
        self,
        spooled: Spooled,
        *,
        owner: str,
        name: str,
        source: str,
        source_ref: str | None = None,
        priority: Priority = Priority.NORMAL,
        analysis_profile: str | None = None,
        settle: Settle | None = None,
    ) -> Accepted:
        """Stores the file and has it rendered, or finds the image that it already is. ``analysis_profile``: what a vision
        model is to tell about it, one of those that the installation has; it is asked for an image found, too.
        ``settle`` is given the image in either case.

        Raises:
            BlobsUnavailable, DatabaseUnavailable: nothing was accepted; try again.
        """
        started = time.monotonic()
        known = await self.known(owner, spooled.sha256, analysis_profile=analysis_profile, settle=settle)
        if known is not None:
            return known
        values = _values(spooled, owner, name, source, source_ref) | _analysis(analysis_profile)
        accepted = None
        while accepted is None:
            await self._blobs.put(
                keys.original(spooled.sha256),
                spooled.file,
                length=spooled.size,
                content_type=spooled.header.mime_type,
            )
            accepted = await self._insert(values, priority, settle)
        metrics.observe(metrics.stage_latency.labels(stage="stored"), time.monotonic() - started)
        return accepted

    async def known(
        self, owner: str, sha256: str, *, analysis_profile: str | None = None, settle: Settle | None = None
    ) -> Accepted | None:
        """The image that the owner has with these bytes, as if they came again; ``None``: the bytes are needed. The other
        arguments are those of ``accept``.

        Raises:
            DatabaseUnavailable: nothing was changed; try again.
        """
        async with self._database.transaction() as connection:
            existing = await find_by_content(connection, owner, sha256)
        return None if existing is None else await self._found(existing, analysis_profile, settle)

    async def _found(self, row: ImageRow, profile: str | None, settle: Settle | None) -> Accepted:
        if profile is None and settle is None:
            return Accepted(row, created=False)
        async with self._transactions.transaction() as transaction:
            if profile is not None:
                row = await analysis.ask(transaction, row, profile)
            if settle is not None:
                await settle(transaction.connection, row)
        return Accepted(row, created=False)

    async def _insert(self, values: dict[str, Any], asked: Priority, settle: Settle | None) -> Accepted | None:
        """The row, or ``None`` when the original was collected after it was put: someone's deletion of the same bytes."""
        owner, sha256 = values["owner"], values["sha256"]
        async with self._transactions.transaction() as transaction:
            in_doubt = await blob_locks.share(transaction.connection, sha256)
            if in_doubt and await self._blobs.head(keys.original(sha256)) is None:
                return None
            granted = await fairness.grant(transaction.connection, owner, asked, before_low=self._before_low)
            created = await insert_image(transaction.connection, values | granted.columns())
            row = created or await find_by_content(transaction.connection, owner, sha256)
            if created and row is not None:
                transaction.event(_stored(row), owner=owner)
                await transaction.request(subjects.render(granted.priority), RenderImage(image_id=row.id), owner=owner)
                if settle is not None:
                    await settle(transaction.connection, row)
        if row is None:  # deleted between the conflict and the look: the next try creates it anew
            return await self._insert(values | {"id": new_id()}, asked, settle)
        if created:
            return Accepted(row, created=True)
        return await self._found(row, values["analysis_profile"], settle)


def safe_name(raw: str) -> str:
    """A client's file name as we keep it: its last path component, without control characters, at most 255
    characters. It is shown to people and sent in headers; no file is ever opened by it."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", raw))[-1]
    clean = "".join(character for character in base if unicodedata.category(character)[0] != "C").strip(" .")
    return clean[:_MAX_NAME] or "unnamed"


def _values(spooled: Spooled, owner: str, name: str, source: str, source_ref: str | None) -> dict[str, Any]:
    header = spooled.header
    width, height = header.upright
    return {
        "id": new_id(),
        "owner": owner,
        "name": safe_name(name),
        "source": source,
        "source_ref": source_ref,
        "sha256": spooled.sha256,
        "bytes": spooled.size,
        "mime_type": header.mime_type,
        "width": width,
        "height": height,
        "frames": header.frames,
    }


def _analysis(profile: str | None) -> dict[str, str | None]:
    return {"analysis_profile": profile, "analysis_status": None if profile is None else "pending"}


def _stored(row: ImageRow) -> ImageStored:
    return ImageStored(
        **event_facts(row),
        source=row.source,
        mime_type=row.mime_type,
        bytes=row.bytes,
        width=row.width,
        height=row.height,
        priority=Priority(row.priority),
    )
