"""Quotas, outages and providers that break their word: an import waits and says so, and no file pays for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select, text
from tests.integration.importer.support import SHELF, Imports, fails, nothing_left
from tests.polling import until

from heliograph_common.db.import_models import ImportPage, ProviderState
from heliograph_importer.sources.port import CredentialRefused, CursorLost, ProviderFailed, QuotaExceeded, Unchanged

Picture = Callable[[int], bytes]


async def state(imports: Imports) -> Any:
    """How the provider takes requests."""
    async with imports.database.transaction() as connection:
        return (await connection.execute(select(ProviderState.__table__))).one_or_none()


async def hurry(imports: Imports) -> None:
    """Ends the pause."""
    async with imports.database.transaction() as connection:
        await connection.execute(text("UPDATE provider_states SET paused_until = now()"))
        await connection.execute(text("UPDATE import_files SET not_before = now() WHERE not_before IS NOT NULL"))
        await connection.execute(text("UPDATE import_pages SET not_before = now() WHERE not_before IS NOT NULL"))


async def test_a_quota_pauses_all_imports_of_the_credential_and_costs_no_attempt(
    imports: Imports, picture: Picture
) -> None:
    shelf = imports.shelf
    for number in range(40):
        shelf.add(f"{number}.jpg", picture(number))
    shelf.opening = lambda _: (
        QuotaExceeded("the provider wants a pause", delay=3600) if len(shelf.opened) == 10 else None
    )
    async with imports.importer(slots=2, window=20):
        import_id = await imports.start()
        await until(lambda: state(imports))

        async def quiet() -> bool:
            found = await imports.files(import_id)
            return len(found) == 40 and {file.status for file in found.values()} == {"queued", "imported"}

        await until(quiet)
        other = await imports.start("bob")
        paused = await state(imports)
        assert (paused.budget, paused.reason) == (SHELF, "the provider wants a pause")
        assert (paused.paused_until - paused.changed_at).total_seconds() == 3600
        assert (await imports.row(other)).status == "queued"
        shelf.opening = lambda _: None
        await hurry(imports)
        await imports.ended(import_id)
        await imports.ended(other)
    files = await imports.files(import_id)
    assert {(file.status, file.attempts) for file in files.values()} == {("imported", 1)}
    assert (await state(imports)).failures == 0


async def test_an_outage_pauses_and_costs_no_attempt(imports: Imports, picture: Picture) -> None:
    shelf = imports.shelf
    for number in range(20):
        shelf.add(f"{number}.jpg", picture(number))
    async with imports.importer(slots=4, max_attempts=2):
        shelf.away = True
        import_id = await imports.start()
        for failures in (1, 2, 3):

            async def failed(wanted: int = failures) -> bool:
                found = await state(imports)
                return found is not None and found.failures >= wanted

            await until(failed)
            await hurry(imports)
        assert (await imports.row(import_id)).status == "running"
        shelf.away = False
        await hurry(imports)
        await until(lambda: len(shelf.opened) > 3)
        shelf.away = True
        await until(lambda: shelf.probed > 3)
        shelf.away = False
        await hurry(imports)

        async def ended() -> bool:
            await hurry(imports)
            return (await imports.row(import_id)).finished_at is not None

        await until(ended)
    files = await imports.files(import_id)
    assert {file.status for file in files.values()} == {"imported"}
    await nothing_left(imports.database)


async def test_a_file_that_fails_by_itself_fails_alone(imports: Imports, picture: Picture) -> None:
    shelf = imports.shelf
    for name in ("good.jpg", "flaky.jpg", "bad.jpg"):
        shelf.add(name, picture(len(name)))
    once = fails(1, lambda: ProviderFailed("it broke off"))
    shelf.opening = lambda ref: {"flaky.jpg": once, "bad.jpg": lambda: ProviderFailed("500")}.get(ref, lambda: None)()
    async with imports.importer(max_attempts=2):
        import_id = await imports.start()
        row = await imports.ended(import_id)
    files = await imports.files(import_id)
    assert row.status == "completed"
    assert {ref: file.status for ref, file in files.items()} == {
        "good.jpg": "imported",
        "flaky.jpg": "imported",
        "bad.jpg": "failed",
    }
    assert (files["bad.jpg"].code, files["bad.jpg"].reason) == ("provider_failed", "500")
    assert (files["flaky.jpg"].attempts, files["bad.jpg"].attempts) == (2, 2)
    assert await state(imports) is None


async def test_the_wait_for_one_host_is_not_everybodys(imports: Imports, picture: Picture) -> None:
    imports.shelf.add("slow.jpg", picture(1))
    imports.shelf.add("quick.jpg", picture(2))
    limited = fails(1, lambda: QuotaExceeded("slow down", delay=0.2, budget="slow.example"))
    imports.shelf.opening = lambda ref: limited() if ref == "slow.jpg" else None
    async with imports.importer():
        import_id = await imports.start()
        await imports.ended(import_id)
    assert (await imports.counts(import_id)).imported == 2
    assert await state(imports) is None


async def test_a_lost_cursor_lists_the_folder_again(imports: Imports, picture: Picture) -> None:
    for number in range(25):
        imports.shelf.add(f"{number}.jpg", picture(number))
    imports.shelf.per_page = 10
    lost = fails(2, lambda: CursorLost("the cursor is unknown"))
    imports.shelf.listing = lambda _, cursor: lost() if cursor == "20" else None
    async with imports.importer():
        import_id = await imports.start()
        await imports.ended(import_id)
    counts = await imports.counts(import_id)
    assert (counts.found, counts.imported) == (25, 25)
    async with imports.database.transaction() as connection:
        passes = (await connection.execute(select(ImportPage.pass_number).where(ImportPage.cursor == "20"))).scalars()
    assert sorted(passes) == [0, 1, 2]


async def test_a_provider_that_repeats_a_page_for_ever_is_found_out(imports: Imports, picture: Picture) -> None:
    for number in range(4):
        imports.shelf.add(f"{number}.jpg", picture(number))
    imports.shelf.repeat = True
    imports.shelf.per_page = 2
    async with imports.importer(max_attempts=2):
        row = await imports.ended(await imports.start())
    assert (row.status, row.error_code) == ("failed", "provider_failed")
    assert "repeats a page" in row.error


async def test_a_refused_credential_ends_the_import_at_once(imports: Imports, picture: Picture) -> None:
    shelf = imports.shelf
    for number in range(100):
        shelf.add(f"{number}.jpg", picture(number))
    shelf.opening = lambda _: (
        CredentialRefused("the token was revoked: get a new one") if len(shelf.opened) > 5 else None
    )
    async with imports.importer(slots=2, window=4):
        import_id = await imports.start()
        await imports.ended(import_id)

        async def settled() -> bool:
            counts = await imports.counts(import_id)
            return counts.queued == counts.fetching == 0 and counts.found == 100

        await until(settled)
    row = await imports.row(import_id)
    assert (row.status, row.error_code) == ("failed", "credential_refused")
    assert row.canceled > 80
    await nothing_left(imports.database)


async def test_a_source_may_learn_when_it_opens_that_nothing_has_changed(imports: Imports, picture: Picture) -> None:
    imports.shelf.add("a.jpg", picture(1))
    async with imports.importer():
        await imports.ended(await imports.start())
        imports.shelf.folders["root"] = ([], [])
        imports.shelf.add("a.jpg", picture(1), revision=None)
        imports.shelf.opening = lambda _: Unchanged()
        again = await imports.start()
        await imports.ended(again)
    file = (await imports.files(again))["a.jpg"]
    assert (file.status, file.image_id) == ("unchanged", (await imports.images())[0].id)


async def test_the_budget_is_one_for_all_importers(imports: Imports, picture: Picture) -> None:
    for number in range(40):
        imports.shelf.add(f"{number}.jpg", picture(number))
    async with imports.importer(per_minute=60), imports.importer(per_minute=60):  # a sixth of them at once
        import_id = await imports.start()

        async def waits() -> bool:
            return len(imports.shelf.opened) >= 8 and await state(imports) is not None

        await until(waits, 60)
        row = await imports.row(import_id)
    assert sum(imports.shelf.opened.values()) < 40
    assert row.status == "running"
