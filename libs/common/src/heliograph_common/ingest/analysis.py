"""Requests the analysis of an image, once: when its thumbnails can be fetched, because the model looks at a rendition.

A profile is requested by the row (``analysis_profile``, ``analysis_status`` pending); ``analysis_queued_at`` says that the
command was sent, and is written in the same transaction under the row's lock: whoever comes second sees it. What comes of
the command is the analyzer's.
"""

from __future__ import annotations

from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import AnalyzeImage
from heliograph_common.db.statements import ImageRow, find_image, note_analysis_queued, want_analysis
from heliograph_common.ingest.ports import OpenTransaction


async def ask(transaction: OpenTransaction, row: ImageRow, profile: str) -> ImageRow:
    """Has an image analysed that was there before, unless it was asked about already; returns its row as it is then."""
    wanted = await want_analysis(transaction.connection, row.id, profile)
    if wanted is None:
        return await find_image(transaction.connection, row.id) or row
    return await send_if_due(transaction, wanted)


async def send_if_due(transaction: OpenTransaction, row: ImageRow) -> ImageRow:
    """Sends the command that ``row`` waits for, if its thumbnails are there and it was not sent before. ``row`` was written
    in this transaction. Returns the row as it is then."""
    due = row.analysis_status == "pending" and row.thumbnail_status == "complete" and row.analysis_queued_at is None
    if not due:
        return row
    command = AnalyzeImage(image_id=row.id, profile=row.analysis_profile)
    await transaction.request(subjects.analyze(row.analysis_profile), command, owner=row.owner)
    return await note_analysis_queued(transaction.connection, row.id)
