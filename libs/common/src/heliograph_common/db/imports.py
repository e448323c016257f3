"""What more than one service does with the rows of imports: ids that follow from what they name, counts, facts of events."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.import_messages import ImportCounts
from heliograph_common.db.import_models import Import, ImportFile, ImportPage

_REMOTE = UUID("6f0f7f5e-5c55-4c0c-9d0e-2a6d6d6f7265")


def page_id(import_id: UUID, folder: str, pass_number: int, cursor: str) -> UUID:
    """The id of a page of a folder: the same whenever the provider names it again."""
    return uuid5(import_id, f"page\0{folder}\0{pass_number}\0{cursor}")


def file_id(import_id: UUID, ref: str) -> UUID:
    """The id of a file in an import: the same whenever it is listed again."""
    return uuid5(import_id, f"file\0{ref}")


def remote_key(owner: str, source: str, ref: str) -> UUID:
    """The key of ``remote_files``: the same in every import of the owner."""
    return uuid5(_REMOTE, f"{owner}\0{source}\0{ref}")


async def find_import(connection: AsyncConnection, import_id: UUID, *, owner: str | None = None) -> Row[Any] | None:
    """The row of an import; with ``owner`` only if it is theirs."""
    statement = select(Import.__table__).where(Import.id == import_id)
    if owner is not None:
        statement = statement.where(Import.owner == owner)
    return (await connection.execute(statement)).one_or_none()


async def reopen(connection: AsyncConnection, kind: str, target: UUID) -> bool:
    """Has a page or file that failed be done after all, by work that its caller asks for: its import runs again. ``False``:
    it has not failed, or is gone."""
    table: type[ImportPage] | type[ImportFile] = ImportPage if kind == "list" else ImportFile
    going = select(Import.id).where(Import.id == table.import_id, Import.status != "canceled").exists()
    statement = update(table).where(table.id == target, table.status == "failed", going).values(status="sent")
    import_id = (await connection.execute(statement.returning(table.import_id))).scalar_one_or_none()
    if import_id is None:
        return False
    again = update(Import).where(Import.id == import_id, Import.status.in_(("completed", "failed")))
    again = again.values(
        status="running", started_at=func.now(), finished_at=None, error=None, error_code=None, counted_at=None
    )
    await connection.execute(again.values(revision=Import.revision + 1))
    return True


def counts_of(row: Row[Any]) -> ImportCounts:
    """The counts of an import as messages carry them."""
    done = {
        name: int(getattr(row, name)) for name in ("fetching", "imported", "unchanged", "skipped", "failed", "canceled")
    }
    return ImportCounts(found=row.found, queued=row.found - sum(done.values()), **done)


def progress_of(row: Row[Any]) -> int:
    """The share of the files found so far that are done, 0 to 100; 100 only once the import has ended."""
    if row.status in {"completed", "failed", "canceled"}:
        return 100
    done = row.imported + row.unchanged + row.skipped + row.failed + row.canceled
    return min(99, 100 * done // row.found) if row.found else 0


def event_facts(row: Row[Any]) -> dict[str, Any]:
    """What every event about the import tells: arguments of an ``ImportEvent``. ``row`` is what the change that the event is
    about returned."""
    return {
        "import_id": row.id,
        "source": row.source,
        "name": row.name,
        "status": row.status,
        "progress": progress_of(row),
        "counts": counts_of(row),
        "revision": row.revision,
    }
