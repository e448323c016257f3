"""Imports as importers leave them: rows in all states, without an importer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import insert, select, text, update

from heliograph_common.db.engine import Database
from heliograph_common.db.import_models import Import, ImportFile, ImportPage, ProviderState
from heliograph_common.db.imports import file_id, page_id
from heliograph_gateway.imports.queries import count_files

LINK = "https://drive.google.com/drive/folders/1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g"
DRIVE = {"source": "google_drive", "url": LINK}
TOKEN = {"access_token": "ya29.very-secret", "refresh_token": "1//also-secret"}


async def begin(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A new import, of a folder unless ``fields`` say otherwise."""
    answer = await client.post("/v1/imports", json=DRIVE | fields)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def change(db: Database, import_id: str, **values: Any) -> None:
    """Changes its row."""
    async with db.transaction() as connection:
        await connection.execute(update(Import).where(Import.id == UUID(import_id)).values(**values))


async def add_files(db: Database, import_id: str, numbers: Mapping[str, int], **values: Any) -> None:
    """So many files in each state, one state after the other, of 1,000 bytes each, and the counts of the import."""
    imported = UUID(import_id)
    rows = [
        {
            "id": file_id(imported, f"{status}-{number}"), "import_id": imported, "ref": f"{status}-{number}",
            "name": f"{number}.jpg", "path": f"folder/{number}.jpg", "bytes": 1000, "mime_type": "image/jpeg",
            "details": {}, "status": status, **values,
        }
        for status, count in numbers.items()
        for number in range(count)
    ]  # fmt: skip
    async with db.transaction() as connection:
        await connection.execute(insert(ImportFile), rows)
    await recount(db, import_id)


async def add_many_files(db: Database, import_id: str, count: int) -> None:
    """So many queued files."""
    statement = text(
        "INSERT INTO import_files (id, import_id, ref, name, path, bytes, details) "
        "SELECT gen_random_uuid(), :id, n::text, n || '.jpg', n || '.jpg', 1000, '{}' FROM generate_series(1, :count) AS n"
    )
    async with db.transaction(statement_seconds=120) as connection:
        await connection.execute(statement, {"id": UUID(import_id), "count": count})
    await recount(db, import_id)


async def recount(db: Database, import_id: str) -> None:
    """The counts, as an importer keeps them."""
    async with db.transaction() as connection:
        counts = await count_files(connection, UUID(import_id))
        await connection.execute(update(Import).where(Import.id == UUID(import_id)).values(**counts))


async def add_page(db: Database, import_id: str, folder: str, **values: Any) -> None:
    """A page of a folder."""
    imported = UUID(import_id)
    row = {"folder": folder, "path": folder, "details": {}, "cursor": "", **values}
    page = page_id(imported, folder, row.get("pass_number", 0), row["cursor"])
    async with db.transaction() as connection:
        await connection.execute(insert(ImportPage).values(id=page, import_id=imported, **row))


async def change_pages(db: Database, import_id: str, **values: Any) -> None:
    """Changes all its pages."""
    async with db.transaction() as connection:
        await connection.execute(update(ImportPage).where(ImportPage.import_id == UUID(import_id)).values(**values))


async def pause(db: Database, budget: str, seconds: float, reason: str) -> None:
    """The provider wants no more requests with a budget for so long; in the past where negative."""
    until = text("now() + make_interval(secs => :seconds)").bindparams(seconds=seconds)
    async with db.transaction() as connection:
        statement = insert(ProviderState).values(budget=budget, paused_until=until, reason=reason)
        await connection.execute(statement)


async def row_of(db: Database, import_id: str) -> Any:
    """The whole row."""
    async with db.transaction() as connection:
        statement = select(Import.__table__).where(Import.id == UUID(import_id))
        return (await connection.execute(statement)).one()


async def statuses(db: Database, import_id: str, table: type[ImportFile | ImportPage] = ImportFile) -> dict[str, int]:
    """How many rows of ``table`` are in which state."""
    found: dict[str, int] = {}
    async with db.transaction() as connection:
        statement = select(table.status).where(table.import_id == UUID(import_id))
        for status in (await connection.execute(statement)).scalars():
            found[status] = found.get(status, 0) + 1
    return found
