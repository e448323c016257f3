"""Images that are unfinished and have no work: of services of an older version, restored from a backup, written by hand. The
reconciler has them asked for again; what has a row of work is its own business."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.image_models import Image
from heliograph_common.db.work_models import Work
from heliograph_common.ingest.ports import OpenTransaction

_STILL = timedelta(minutes=5)
_BATCH = 2_000


async def adopt(transaction: OpenTransaction) -> int:
    """Has up to a batch of them rendered; returns how many."""
    has_work = select(Work.target).where(Work.kind == RenderImage.kind, Work.target == Image.id).exists()
    statement = (
        select(Image.id, Image.owner, Image.priority)
        .where(
            Image.deleted_at.is_(None),
            Image.processing_status.in_(("pending", "processing")),
            Image.updated_at < func.now() - _STILL,
            ~has_work,
        )
        .limit(_BATCH)
    )
    rows = (await transaction.connection.execute(statement)).all()
    await transaction.request_all(
        [(subjects.render(Priority(row.priority)), RenderImage(image_id=row.id), row.owner) for row in rows]
    )
    return len(rows)
