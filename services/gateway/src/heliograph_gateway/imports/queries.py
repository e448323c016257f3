"""The tables of imports as clients see and change them, each statement inside its caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, insert, select, tuple_, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db import locks
from heliograph_common.db.import_models import Import, ImportFile, ImportPage
from heliograph_common.db.import_waits import ACTIVE
from heliograph_common.db.imports import page_id
from heliograph_gateway.imports.representation import Pages

ImportRow = Row[Any]

COLUMNS = tuple(column for column in Import.__table__.columns if column.name not in {"authorization", "urls"})
"""All but a user's token, which nothing here reads, and a list of addresses, which may be megabytes."""
SHOWN_ERRORS = 20
_GREATEST = UUID(int=(1 << 128) - 1)
_STORED = {"queued": ("queued", "sent")}
"""What is one status to clients and several in the table."""
_AGAIN = {"error_code": None, "error": None}
GOES_ON = {"error_code": None, "error": None, "finished_at": None}
"""What an import loses that goes on after its end."""
NOW = func.now()
_MOST_BYTES = (1 << 63) - 1
"""What a column holds: providers may say anything."""
_FILES_AGAIN = {"code": None, "reason": None, "attempts": 0, "finished_at": None}


async def one_at_a_time(connection: AsyncConnection, owner: str) -> None:
    """Lets only one transaction begin imports of the owner, so that what it counts is so when it ends."""
    await locks.hold_imports(connection, owner)


async def active_imports(connection: AsyncConnection, owner: str, *, up_to: int) -> int:
    """How many imports of the owner have not ended; counts no further than ``up_to``."""
    active = select(Import.id).where(Import.owner == owner, Import.status.in_(ACTIVE)).limit(up_to)
    return int((await connection.execute(select(func.count()).select_from(active.subquery()))).scalar_one())


async def insert_import(connection: AsyncConnection, values: Mapping[str, Any]) -> ImportRow:
    """Writes an import and the first page of its folder, where importers find what is to do."""
    row = (await connection.execute(insert(Import).values(**values).returning(*COLUMNS))).one()
    root = {"folder": "", "path": "", "details": {}, "cursor": ""}
    first = insert(ImportPage).values(id=page_id(row.id, "", 0, ""), import_id=row.id, **root)
    await connection.execute(first)
    return row


async def find(connection: AsyncConnection, import_id: UUID, owner: str) -> ImportRow | None:
    """The owner's import."""
    statement = select(*COLUMNS).where(Import.id == import_id, Import.owner == owner)
    return (await connection.execute(statement)).one_or_none()


async def lock(connection: AsyncConnection, import_id: UUID, owner: str) -> ImportRow | None:
    """The same, held until the transaction ends. Rows that name it can still be inserted meanwhile."""
    statement = select(*COLUMNS).where(Import.id == import_id, Import.owner == owner)
    return (await connection.execute(statement.with_for_update(key_share=True))).one_or_none()


async def change(connection: AsyncConnection, import_id: UUID, values: Mapping[str, Any]) -> ImportRow:
    """Sets ``values`` and raises the revision, of which an event of the same transaction tells."""
    statement = update(Import).where(Import.id == import_id).values(**values, revision=Import.revision + 1)
    return (await connection.execute(statement.returning(*COLUMNS))).one()


async def page(
    connection: AsyncConnection,
    owner: str,
    *,
    status: str | None,
    source: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[ImportRow]:
    """Imports of the owner older than ``before``, newest first. A range of the index, not an order of all ids: see
    ``images.queries``."""
    key = tuple_(Import.owner, Import.id)
    statement = select(*COLUMNS).where(
        key >= tuple_(owner, UUID(int=0)), key < tuple_(owner, _GREATEST if before is None else before)
    )
    if status is not None:
        statement = statement.where(Import.status == status)
    if source is not None:
        statement = statement.where(Import.source == source)
    return (await connection.execute(statement.order_by(Import.owner.desc(), Import.id.desc()).limit(limit))).all()


async def pages_of(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Pages]:
    """How far the folders of several imports are listed."""
    first = and_(ImportPage.cursor == "", ImportPage.pass_number == 0)
    counted = (
        select(
            ImportPage.import_id,
            func.count().label("all"),
            func.count().filter(ImportPage.status == "done").label("listed"),
            func.count().filter(first).label("folders"),
        )
        .where(ImportPage.import_id.in_(ids))
        .group_by(ImportPage.import_id)
    )
    rows = (await connection.execute(counted)).all()
    failed = await _failed_pages(connection, ids)
    return {row.import_id: Pages(row.all, row.listed, row.folders, failed[row.import_id]) for row in rows}


async def _failed_pages(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Row[Any]]]:
    place = func.row_number().over(partition_by=ImportPage.import_id, order_by=(ImportPage.created_at, ImportPage.id))
    numbered = (
        select(ImportPage.import_id, ImportPage.path, ImportPage.error_code, ImportPage.error, place.label("place"))
        .where(ImportPage.import_id.in_(ids), ImportPage.status == "failed")
        .subquery()
    )
    statement = (
        select(numbered).where(numbered.c.place <= SHOWN_ERRORS).order_by(numbered.c.import_id, numbered.c.place)
    )
    found: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in (await connection.execute(statement)).all():
        found[row.import_id].append(row)
    return found


async def files(
    connection: AsyncConnection, import_id: UUID, *, status: str | None, after: int, limit: int
) -> Sequence[Row[Any]]:
    """Files of an import behind the position ``after``, in the order in which they were found. Each state is a range of
    an index, so a page costs the same however many files are in others."""
    wanted = select(ImportFile.__table__).where(ImportFile.import_id == import_id, ImportFile.position > after)
    wanted = wanted.order_by(ImportFile.position).limit(limit)
    if status is None:
        return (await connection.execute(wanted)).all()
    ranges = [wanted.where(ImportFile.status == stored).subquery() for stored in _STORED.get(status, (status,))]
    together = union_all(*(select(each) for each in ranges)).subquery()
    return (await connection.execute(select(together).order_by(together.c.position).limit(limit))).all()


async def cancel_queued(connection: AsyncConnection, import_id: UUID) -> None:
    """Ends what nobody has taken in hand: the rest importers end when its turn comes."""
    for table, values in ((ImportPage, {}), (ImportFile, {"finished_at": func.now()})):
        queued = update(table).where(table.import_id == import_id, table.status == "queued")
        await connection.execute(queued.values(status="canceled", not_before=None, **values))


async def queue_again(connection: AsyncConnection, import_id: UUID, *, ended: bool) -> int:
    """Queues what has failed; of an import that has ``ended`` also what was canceled. How many files and pages that were."""
    states = ("failed", "canceled") if ended else ("failed",)
    queued = 0
    for table, values in ((ImportPage, _AGAIN), (ImportFile, _FILES_AGAIN)):
        over = update(table).where(table.import_id == import_id, table.status.in_(states))
        queued += (await connection.execute(over.values(status="queued", not_before=None, **values))).rowcount
    return queued


async def all_listed(connection: AsyncConnection, import_id: UUID) -> bool:
    """Whether no page is still to be listed."""
    open_ = select(ImportPage.id).where(ImportPage.import_id == import_id, ImportPage.status.in_(("queued", "sent")))
    return (await connection.execute(open_.limit(1))).one_or_none() is None


async def count_files(connection: AsyncConnection, import_id: UUID) -> dict[str, Any]:
    """What ``Import`` counts, from the rows of its files as they are now."""
    statement = (
        select(ImportFile.status, func.count(), func.coalesce(func.sum(ImportFile.bytes), 0))
        .where(ImportFile.import_id == import_id)
        .group_by(ImportFile.status)
    )
    found = {status: (count, int(size or 0)) for status, count, size in (await connection.execute(statement)).all()}
    counted = ("fetching", "imported", "unchanged", "skipped", "failed", "canceled")
    return {
        **{status: found.get(status, (0, 0))[0] for status in counted},
        "found": sum(count for count, _ in found.values()),
        "found_bytes": min(sum(size for _, size in found.values()), _MOST_BYTES),
        "imported_bytes": found.get("imported", (0, 0))[1],
        "counted_at": func.clock_timestamp(),
    }
