"""Takes a checked file in: an intent, the original to the object store, then image row and messages in one transaction.

Uploads and imports both end here. The same bytes of the same owner are one image; where that has failed, or its original
is lost, they heal it. Its priority is ``fairness``'s to grant; asking a vision model about it is ``analysis``'s; under which
key the original lies, ``incarnations``'. Whatever ends between intent and row leaves its object to the collector.
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
from heliograph_common.contracts.messages import ImageRetried, ImageStored, RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import analyses
from heliograph_common.db.engine import Database
from heliograph_common.db.statements import ImageRow, event_facts, find_by_content, insert_image, reset_processing
from heliograph_common.errors import BlobsUnavailable, BlobUnreadable
from heliograph_common.ids import new_id
from heliograph_common.ingest import analysis, fairness, incarnations
from heliograph_common.ingest.analysis import Wanted
from heliograph_common.ingest.fairness import Granted
from heliograph_common.ingest.incarnations import Intent
from heliograph_common.ingest.ports import OpenTransaction, Transactions
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
        analyze: Wanted | None = None,
        settle: Settle | None = None,
    ) -> Accepted:
        """Stores the file and has it rendered, or finds the image that it already is; one that has failed is then rendered
        again. ``analyze``: what a vision model is to tell about it, one of the installation's profiles; it is asked for an
        image found, too. ``settle`` is given the image in either case.

        Raises:
            BlobsUnavailable, BlobUnreadable, DatabaseUnavailable: nothing was accepted; try again.
        """
        started = time.monotonic()
        existing, begun = await self._begin(owner, spooled.sha256)
        if not isinstance(begun, Intent):
            return await self._found(begun, analyze, settle)
        values = _values(spooled, owner, name, source, source_ref) | _analysis(analyze)
        outcome: Accepted | Intent = begun
        while isinstance(outcome, Intent):
            await self._blobs.put(outcome.key, spooled.file, length=spooled.size, content_type=spooled.header.mime_type)
            outcome = await self._insert(values, outcome, priority, analyze, settle, heal=existing)
        metrics.observe(metrics.stage_latency.labels(stage="stored"), time.monotonic() - started)
        return outcome

    async def known(
        self, owner: str, sha256: str, *, analyze: Wanted | None = None, settle: Settle | None = None
    ) -> Accepted | None:
        """The image that the owner has with these bytes, as if they came again; ``None``: the bytes are needed, if only to
        heal it. The other arguments are those of ``accept``.

        Raises:
            DatabaseUnavailable: nothing was changed; try again.
        """
        async with self._database.transaction() as connection:
            existing = await find_by_content(connection, owner, sha256)
        if existing is None or not await self._sound(existing):
            return None
        return await self._found(existing, analyze, settle)

    async def _begin(self, owner: str, sha256: str) -> tuple[bool, ImageRow | Intent]:
        """Whether the owner has an image with these bytes; and that, or where to put them if they are needed."""
        async with self._database.transaction() as connection:
            existing = await find_by_content(connection, owner, sha256)
            if existing is None:
                return False, await incarnations.intend(connection, sha256)
        if await self._sound(existing):
            return True, existing
        async with self._database.transaction() as connection:
            return True, await incarnations.intend(connection, sha256)

    async def _sound(self, row: ImageRow) -> bool:
        """Whether the image needs nothing that its bytes could repair; so, too, while nobody can tell."""
        if row.processing_status == "failed":
            return False
        try:
            stored = await self._blobs.head(keys.original(row.sha256, row.incarnation))
        except (BlobsUnavailable, BlobUnreadable):
            return True
        return stored is not None and stored.size == row.bytes

    async def _found(self, row: ImageRow, analyze: Wanted | None, settle: Settle | None) -> Accepted:
        if analyze is None and settle is None:
            return Accepted(row, created=False)
        async with self._transactions.transaction() as transaction:
            if analyze is not None:
                row = await analysis.ask(transaction, row, analyze)
            if settle is not None:
                await settle(transaction.connection, row)
        return Accepted(row, created=False)

    async def _insert(
        self,
        values: dict[str, Any],
        intent: Intent,
        requested: Priority,
        analyze: Wanted | None,
        settle: Settle | None,
        *,
        heal: bool,
    ) -> Accepted | Intent:
        """The image; or where to put the original again, when its key was given up since: someone's deletion of the same
        bytes. ``heal``: what was put is to repair an image that there is already."""
        owner, sha256 = values["owner"], values["sha256"]
        async with self._transactions.transaction() as transaction:
            connection = transaction.connection
            renewed = await incarnations.renew(connection, intent)
            if renewed is not None:
                return renewed
            granted = await fairness.grant(connection, owner, requested, before_low=self._before_low)
            named = {"incarnation": intent.incarnation}
            created = await insert_image(connection, values | granted.columns() | named)
            row = created or await find_by_content(connection, owner, sha256)
            if created and row is not None:
                transaction.event(_stored(row), owner=owner)
                await transaction.request(subjects.render(granted.priority), RenderImage(image_id=row.id), owner=owner)
                if analyze is not None:
                    await analyses.want(connection, row, analyze.profile, urgent=analyze.urgent)
                if settle is not None:
                    await settle(connection, row)
            elif heal and row is not None:
                row = await _heal(transaction, row, intent, granted)
            if row is not None and row.incarnation == intent.incarnation:
                await incarnations.fulfil(connection, intent)
        if row is None:  # deleted between the conflict and the look: the next try creates it again
            return await self._insert(values | {"id": new_id()}, intent, requested, analyze, settle, heal=heal)
        if created:
            return Accepted(row, created=True)
        return await self._found(row, analyze, settle)


async def _heal(transaction: OpenTransaction, row: ImageRow, intent: Intent, granted: Granted) -> ImageRow:
    """Has an image name the original that was uploaded again, and, if it had failed, be rendered again."""
    if row.incarnation != intent.incarnation:
        row = await incarnations.move(transaction.connection, row, intent.incarnation)
    reset = await reset_processing(transaction.connection, row.id, granted.columns())
    if reset is None:
        return row
    await transaction.request(subjects.render(granted.priority), RenderImage(image_id=row.id), owner=row.owner)
    reset = await analysis.revive(transaction, reset)
    transaction.event(ImageRetried(**event_facts(reset)), owner=row.owner)
    return reset


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


def _analysis(wanted: Wanted | None) -> dict[str, str]:
    return {} if wanted is None else {"analysis_profile": wanted.profile, "analysis_status": "pending"}


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
