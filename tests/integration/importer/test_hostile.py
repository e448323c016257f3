"""What owners, hosts and providers may do to one another's imports: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from tests.integration.importer.support import Imports, nothing_left
from tests.polling import until

from heliograph_common.db.import_models import ImportPage
from heliograph_common.ids import new_id
from heliograph_gateway.imports import queries as gateway
from heliograph_importer.sources.port import CredentialRefused, Folder, NotAFolder, ProviderFailed, RemoteFile
from heliograph_importer.tally.tally import Tally

Picture = Callable[[int], bytes]
_CANNOT_BE_COUNTED = """
    CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.owner = 'ann' AND new.counted_at IS NOT NULL THEN RAISE EXCEPTION 'it cannot be counted'; END IF;
        RETURN new;
    END $$;
    CREATE TRIGGER broken BEFORE UPDATE ON imports FOR EACH ROW EXECUTE FUNCTION broken();
"""


async def test_files_that_fail_stop_nobody_else(imports: Imports, picture: Picture) -> None:
    shelf = imports.shelf
    for number in range(60):
        shelf.add(f"{number}.jpg", picture(number))
    shelf.opening = lambda ref: None if ref.startswith("good") else ProviderFailed("500")
    async with imports.importer():
        broken = await imports.start("ann")
        await until(lambda: shelf.probed >= 60)
        shelf.folders["root"] = ([], [])
        shelf.add("good.jpg", picture(100))
        good = await imports.start("bob")
        await imports.ended(good)
    assert (await imports.counts(good)).imported == 1
    files = (await imports.files(broken)).values()
    assert {file.status for file in files} <= {"queued", "sent", "fetching"}
    assert {file.attempts for file in files} <= {1, 2, 3}


async def test_an_import_canceled_while_a_page_is_listed(imports: Imports, picture: Picture) -> None:
    for number in range(5):
        imports.shelf.add(f"{number}.jpg", picture(number))
    asked, answer = asyncio.Event(), asyncio.Event()
    imports.shelf.list_hold = (asked, answer)
    async with imports.importer():
        import_id = await imports.start()
        await asked.wait()
        async with imports.database.transaction() as connection:  # as the gateway does
            await gateway.cancel_queued(connection, import_id)
            over = {"status": "canceled", "finished_at": gateway.NOW}
            await gateway.change(connection, import_id, over | await gateway.count_files(connection, import_id))
        answer.set()
        await nothing_left(imports.database)
    assert await imports.files(import_id) == {}
    async with imports.database.transaction() as connection:
        pages = (await connection.execute(select(ImportPage.status).where(ImportPage.folder == "root"))).scalars()
        assert list(pages) == ["canceled"]
        assert await gateway.queue_again(connection, import_id, ended=True)


async def test_an_import_that_cannot_be_counted_keeps_no_other_from_its_end(imports: Imports, picture: Picture) -> None:
    imports.shelf.add("a.jpg", picture(1))
    async with imports.database.transaction() as connection:
        await connection.execute(text(_CANNOT_BE_COUNTED))
    async with imports.importer():
        bad = await imports.start("ann")
        await until(lambda: imports.shelf.opened["a.jpg"])
        good = await imports.start("bob")
        await imports.ended(good)
        assert (await imports.row(bad)).status == "running"
        async with imports.database.transaction() as connection:
            await connection.execute(text("DROP TRIGGER broken ON imports"))
    async with imports.importer():
        await imports.ended(bad)


async def test_sizes_that_no_file_has(imports: Imports, picture: Picture) -> None:
    for number, size in enumerate(((1 << 63) - 1, (1 << 63) - 1, 1 << 64, -1)):
        imports.shelf.add(f"{number}.jpg", picture(number), size=size)
    async with imports.importer():
        import_id = await imports.start()
        row = await imports.ended(import_id)
    assert row.status == "completed"
    files = await imports.files(import_id)
    assert {ref: file.status for ref, file in files.items()} == {
        "0.jpg": "skipped",
        "1.jpg": "skipped",
        "2.jpg": "skipped",
        "3.jpg": "imported",
    }


@pytest.mark.parametrize("said", ["a\0b", "a\ud800b", "x" * 100_000])
async def test_texts_that_cannot_be_stored(imports: Imports, picture: Picture, said: str) -> None:
    shelf = imports.shelf
    shelf.add("good.jpg", picture(1), mime_type=f"image/{said}", revision=said)
    shelf.folders["root"][0].append(RemoteFile(ref=said, name=said, path=said))
    shelf.folders["root"][1].append(Folder(ref=said, path=said))
    shelf.folders["in"] = ([RemoteFile(ref="in.jpg", name=said, path=said)], [])
    shelf.contents["in.jpg"] = picture(2)
    shelf.folders["root"][1].append(Folder(ref="in", path=said))
    async with imports.importer():
        import_id = await imports.start()
        row = await imports.ended(import_id)
    assert (row.status, row.imported) == ("completed", 2)


@pytest.mark.parametrize("said", ["a\0b", "a\ud800b", "x" * 100_000])
async def test_reasons_that_cannot_be_stored(imports: Imports, picture: Picture, said: str) -> None:
    imports.shelf.add("a.jpg", picture(1))
    imports.shelf.opening = lambda _: CredentialRefused(said)
    async with imports.importer():
        first = await imports.ended(await imports.start())
        imports.shelf.listing = lambda *_: NotAFolder(said)
        second = await imports.ended(await imports.start())
    assert (first.error_code, second.error_code) == ("credential_refused", "not_a_folder")
    assert len(first.error) <= 2_000
    assert "\0" not in second.error


async def test_many_notes_break_no_count(imports: Imports) -> None:
    tally = Tally(imports.messenger, longest=timedelta(days=1))
    for _ in range(70_000):
        tally.note(new_id())
    await tally.run_once()


async def test_an_import_of_a_token_that_was_erased_uses_no_other_credential(imports: Imports) -> None:
    async with imports.importer():
        row = await imports.ended(await imports.start(budget="shelf:token:0123456789abcdef"))
    assert row.error_code == "credential_refused"
