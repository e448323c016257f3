"""Owners take turns, and importers take over from one another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import func, update
from tests.integration.importer.support import Imports, nothing_left
from tests.polling import until

from heliograph_common.contracts.import_messages import FetchFile
from heliograph_common.contracts.subjects import fetch_file
from heliograph_common.db.import_models import Import, ImportFile
from heliograph_common.db.imports import reopen
from heliograph_common.db.work_models import Work
from heliograph_importer.sources.port import ProviderFailed, QuotaExceeded
from heliograph_importer.tally import queries
from heliograph_importer.turns import queries as turns

Picture = Callable[[int], bytes]


async def test_a_small_import_does_not_wait_behind_a_large_one(imports: Imports, picture: Picture) -> None:
    shelf = imports.shelf
    for number in range(200):
        shelf.add(f"{number}.jpg", picture(number))
    for number in range(3):
        shelf.add(f"few-{number}.jpg", picture(1000 + number), folder="few")
    async with imports.importer(slots=1, window=6):
        large = await imports.start("ann")
        await until(lambda: len(shelf.opened) > 2)
        shelf.folders["root"] = shelf.folders["few"]
        small = await imports.start("bob")
        await imports.ended(small)
        assert (await imports.row(large)).status == "running"
        assert (await imports.counts(small)).imported == 3
        await imports.cancel(large)


async def test_another_importer_goes_on_where_one_has_stopped(imports: Imports, picture: Picture) -> None:
    for number in range(60):
        imports.shelf.add(f"{number}.jpg", picture(number))
    imports.shelf.per_page = 20
    import_id = await imports.start()
    for _ in range(3):
        before = len(imports.shelf.opened)
        async with imports.importer(slots=2):
            await until(lambda before=before: len(imports.shelf.opened) > before + 5)  # type: ignore[misc]
    async with imports.importer(), imports.importer():
        await imports.ended(import_id)
    counts = await imports.counts(import_id)
    assert (counts.found, counts.imported) == (60, 60)
    assert {file.attempts for file in (await imports.files(import_id)).values()} == {1}
    assert set(imports.shelf.opened.values()) <= {1, 2}  # twice only what was under way
    await nothing_left(imports.database)


async def test_a_fetch_that_comes_back_late_changes_nothing(imports: Imports, picture: Picture) -> None:
    shelf = imports.shelf
    file = shelf.add("a.jpg", picture(1))
    async with imports.importer(hold_seconds=3.0):
        held, let_go = asyncio.Event(), asyncio.Event()
        shelf.hold = (held, let_go)
        import_id = await imports.start()
        await held.wait()
        shelf.hold = None
        async with imports.database.transaction() as connection:  # as if the lease were over and another had it
            await connection.execute(update(ImportFile).values(fence=func.nextval("work_fences"), status="imported"))
            await connection.execute(update(Work).where(Work.kind == "fetch").values(fence=1))
        let_go.set()
        await imports.ended(import_id)
    assert await imports.images() == []
    assert (await imports.files(import_id))[file.ref].image_id is None


async def test_counts_that_a_dead_importer_left_are_put_right(imports: Imports, picture: Picture) -> None:
    imports.shelf.add("a.jpg", picture(1))
    async with imports.importer():
        import_id = await imports.start()
        await imports.ended(import_id)
    async with imports.database.transaction() as connection:
        changed = update(Import).values(status="running", finished_at=None, imported=0, counted_at=None)
        await connection.execute(changed)
    async with imports.importer():
        row = await imports.ended(import_id)
    assert (row.status, row.imported, row.found) == ("completed", 1, 1)


async def test_old_imports_are_forgotten_and_images_stay(imports: Imports, picture: Picture) -> None:
    imports.shelf.add("a.jpg", picture(1))
    async with imports.importer():
        import_id = await imports.start()
        await imports.ended(import_id)
    async with imports.database.transaction() as connection:
        assert await queries.forget(connection, before=timedelta(days=1), limit=10) == 0
        await connection.execute(update(Import).values(finished_at=func.now() - timedelta(days=2)))
        assert await queries.forget(connection, before=timedelta(days=1), limit=10) == 1
    assert await imports.files(import_id) == {}
    assert len(await imports.images()) == 1


async def test_rows_of_work_that_were_lost_are_made_again(imports: Imports, picture: Picture) -> None:
    for number in range(5):
        imports.shelf.add(f"{number}.jpg", picture(number))
    async with imports.importer():
        import_id = await imports.start()
        await imports.ended(import_id)
    async with imports.database.transaction() as connection:
        await connection.execute(update(Import).values(status="running", finished_at=None))
        await connection.execute(update(ImportFile).values(status="sent"))
        assert await turns.take_back(connection) == 5
        assert await turns.take_back(connection) == 0
    async with imports.importer():
        await imports.ended(import_id)
    assert (await imports.counts(import_id)).unchanged == 5


async def test_a_dead_letter_of_a_file_can_be_replayed(imports: Imports, picture: Picture) -> None:
    imports.shelf.add("a.jpg", picture(1))
    imports.shelf.opening = lambda _: ProviderFailed("500")
    async with imports.importer(max_attempts=1):
        import_id = await imports.start()
        await imports.ended(import_id)
        file = (await imports.files(import_id))["a.jpg"]
        assert file.status == "failed"
        imports.shelf.opening = lambda _: None
        async with imports.messenger.transaction() as transaction:  # as the gateway does
            assert await reopen(transaction.connection, "fetch", file.id)
            assert not await reopen(transaction.connection, "fetch", file.id)
            command = FetchFile(import_id=import_id, file_id=file.id)
            await transaction.request(fetch_file("shelf"), command, owner="ann")

        async def imported() -> bool:
            row = await imports.row(import_id)
            return bool(row.status == "completed" and row.imported == 1)

        await until(imported)
    await nothing_left(imports.database)


async def test_an_import_that_takes_too_long_ends_and_can_be_retried(imports: Imports, picture: Picture) -> None:
    for number in range(10):
        imports.shelf.add(f"{number}.jpg", picture(number))
    imports.shelf.opening = lambda _: QuotaExceeded("never again", delay=3600)
    async with imports.importer(max_days=1.0):
        import_id = await imports.start()
        await until(lambda: imports.shelf.listed["root"])
        async with imports.database.transaction() as connection:
            await connection.execute(update(Import).values(started_at=func.now() - timedelta(days=2)))
        row = await imports.ended(import_id)
        assert (row.status, row.error_code) == ("failed", "took_too_long")

        async def canceled() -> bool:
            return (await imports.counts(import_id)).canceled == 10

        await until(canceled)
