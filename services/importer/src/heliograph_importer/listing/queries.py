"""The statements of listing: a page is taken, what it lists is written, or why it could not be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.image_models import Image
from heliograph_common.db.import_models import Import, ImportFile, ImportPage, RemoteFile
from heliograph_common.db.imports import file_id, page_id, remote_key
from heliograph_common.db.provider_states import state_of
from heliograph_importer.cleaning import clean
from heliograph_importer.sources.port import Folder
from heliograph_importer.tally.queries import COLUMNS


@dataclass(frozen=True)
class PageClaim:
    """A page that is to be listed, and its import, which may have ``started`` with it. ``paused``: its budget is, and
    the page queued again; ``failing``: the last requests of it failed."""

    page: Row[Any]
    job: Row[Any]
    started: bool
    paused: bool
    failing: bool


async def claim(connection: AsyncConnection, target: UUID) -> PageClaim | None:
    """Takes a page; ``None`` where there is nothing to do: it is done, or its import has ended. The first page of an import
    starts it."""
    page = await _lock_page(connection, target)
    if page is None or page.status not in {"queued", "sent"}:
        return None
    job = await _import(connection, page.import_id)
    if job.status not in {"queued", "running"}:
        await _set_page(connection, target, status="canceled")
        return None
    started = job.status == "queued"
    if started:
        begun = (
            update(Import)
            .where(Import.id == job.id)
            .values(
                status="running", started_at=func.coalesce(Import.started_at, func.now()), revision=Import.revision + 1
            )
        )
        job = (await connection.execute(begun.returning(*COLUMNS))).one()
    state = await state_of(connection, job.budget)
    if state.paused:
        await _set_page(connection, target, status="queued", not_before=state.paused_until)
    return PageClaim(page, job, started, paused=state.paused, failing=state.failing)


async def urls_of(connection: AsyncConnection, import_id: UUID) -> Sequence[str]:
    """The addresses of the import's list."""
    found = (await connection.execute(select(Import.urls).where(Import.id == import_id))).scalar_one()
    return found or []


async def requeue(connection: AsyncConnection, target: UUID, delay: timedelta) -> None:
    """Has a page sent again after ``delay``."""
    await _set_page(connection, target, status="queued", not_before=func.now() + delay)


async def finish(connection: AsyncConnection, target: UUID) -> None:
    """Notes that a page is listed."""
    await _set_page(connection, target, status="done")


async def fail(connection: AsyncConnection, target: UUID, *, code: str, reason: str) -> None:
    """Notes that a page cannot be listed."""
    await _set_page(connection, target, status="failed", error_code=code, error=reason)


async def cancel(connection: AsyncConnection, target: UUID) -> None:
    """Notes that a page will not be listed, because its import has ended."""
    await _set_page(connection, target, status="canceled")


async def hold_active(connection: AsyncConnection, import_id: UUID) -> bool:
    """Whether an import goes on; if so, it does until this transaction ends."""
    statement = select(Import.id).where(Import.id == import_id, Import.status.in_(("queued", "running")))
    held = await connection.execute(statement.with_for_update(key_share=True))
    return held.first() is not None


async def name_import(connection: AsyncConnection, import_id: UUID, name: str) -> None:
    """Notes what the imported folder is called."""
    await connection.execute(update(Import).where(Import.id == import_id).values(name=name))


async def add_pages(
    connection: AsyncConnection, import_id: UUID, folders: Sequence[Folder], *, cursor: str = "", pass_number: int = 0
) -> int:
    """Queues a page of each folder, unless that is known already; returns how many are new."""
    rows = {
        page_id(import_id, folder.ref, pass_number, cursor): {
            "import_id": import_id,
            "folder": folder.ref,
            "path": clean(folder.path),
            "details": dict(folder.details),
            "cursor": cursor,
            "pass_number": pass_number,
        }
        for folder in folders
    }
    return await _insert(connection, ImportPage, [{"id": each, **row} for each, row in rows.items()])


async def add_files(connection: AsyncConnection, import_id: UUID, rows: Sequence[Mapping[str, Any]]) -> int:
    """Writes files, unless they are known already; returns how many are new. ``rows`` have the columns that the listing
    fills, ``ref`` among them."""
    by_id = {file_id(import_id, row["ref"]): row for row in rows}
    return await _insert(
        connection, ImportFile, [{"id": each, "import_id": import_id, **row} for each, row in by_id.items()]
    )


async def known_revisions(
    connection: AsyncConnection, owner: str, source: str, refs: Sequence[str]
) -> Mapping[str, tuple[str, UUID]]:
    """Which of these files the owner has as images: their revision and image by ref."""
    keys = [remote_key(owner, source, ref) for ref in refs]
    statement = (
        select(RemoteFile.ref, RemoteFile.revision, RemoteFile.image_id)
        .join(Image, Image.id == RemoteFile.image_id)
        .where(RemoteFile.key.in_(keys), Image.deleted_at.is_(None))
    )
    return {row.ref: (row.revision, row.image_id) for row in await connection.execute(statement)}


async def _insert(connection: AsyncConnection, table: type[Any], rows: Sequence[Mapping[str, Any]]) -> int:
    if not rows:
        return 0
    # By parameters and not by values of the statement, which would be put together again for each page.
    statement = insert(table).on_conflict_do_nothing(index_elements=["id"]).returning(table.id)
    return len((await connection.execute(statement, [dict(row) for row in rows])).all())


async def _lock_page(connection: AsyncConnection, target: UUID) -> Row[Any] | None:
    locked = select(ImportPage.__table__).where(ImportPage.id == target).with_for_update()
    return (await connection.execute(locked)).one_or_none()


async def _import(connection: AsyncConnection, import_id: UUID) -> Row[Any]:
    """Without its list of addresses, which may be long."""
    return (await connection.execute(select(*COLUMNS).where(Import.id == import_id))).one()


async def _set_page(connection: AsyncConnection, target: UUID, **values: Any) -> None:
    await connection.execute(update(ImportPage).where(ImportPage.id == target).values(**values))
