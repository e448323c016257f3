"""An import from its folder to its images: each file once, with its reason where it is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.importer.support import Imports, nothing_left
from tests.polling import until

from heliograph_common.db.analyses import analyses_of
from heliograph_importer.sources.port import AccessDenied, Folder, Missing

Picture = Callable[[int], bytes]


async def test_a_folder_becomes_images(imports: Imports, picture: Picture) -> None:
    for number in range(25):
        imports.shelf.add(f"{number}.jpg", picture(number))
    imports.shelf.per_page = 10
    async with imports.importer():
        import_id = await imports.start()
        row = await imports.ended(import_id)
    assert (row.status, row.name, row.listed, row.error) == ("completed", "Shelf", True, None)
    counts = await imports.counts(import_id)
    assert (counts.found, counts.imported, counts.queued) == (25, 25, 0)
    images = await imports.images()
    assert sorted(image.name for image in images) == sorted(f"{number}.jpg" for number in range(25))
    assert {(image.source, image.priority) for image in images} == {("shelf", "low")}
    files = await imports.files(import_id)
    assert {image.source_ref: image.id for image in images} == {ref: file.image_id for ref, file in files.items()}
    assert row.imported_bytes == sum(map(len, imports.shelf.contents.values()))
    await nothing_left(imports.database)


async def test_folders_in_it_and_cycles(imports: Imports, picture: Picture) -> None:
    imports.shelf.add("top.jpg", picture(1))
    imports.shelf.add_folder("inner")
    imports.shelf.add("in.jpg", picture(2), folder="inner")
    imports.shelf.folders["inner"][1].append(Folder(ref="root", path="inner/root"))  # as by a shortcut
    async with imports.importer():
        import_id = await imports.start()
        await imports.ended(import_id)
        flat = await imports.start("bob", recursive=False)
        await imports.ended(flat)
    assert (await imports.counts(import_id)).imported == 2
    assert imports.shelf.listed["inner"] == 1
    assert imports.shelf.listed["root"] == 2
    assert [image.name for image in await imports.images("bob")] == ["top.jpg"]


async def test_what_is_no_image_is_listed_with_its_reason(imports: Imports, picture: Picture) -> None:
    shelf = imports.shelf
    shelf.add("good.jpg", picture(1))
    shelf.add("notes.txt", b"no picture " * 100)
    shelf.add("paper", b"", skip=("document", "a document has no image"))
    shelf.add("huge.jpg", picture(2), size=1 << 40)
    shelf.add("lies.jpg", picture(3) + bytes(imports.settings.limits.file_bytes), size=10)
    shelf.add("broken.jpg", picture(4)[:80])
    shelf.add("empty.jpg", b"")
    shelf.add("gone.jpg", b"")
    del shelf.contents["gone.jpg"]
    async with imports.importer():
        import_id = await imports.start()
        await imports.ended(import_id)
    files = await imports.files(import_id)
    assert {ref: (file.status, file.code) for ref, file in files.items()} == {
        "good.jpg": ("imported", None),
        "notes.txt": ("skipped", "not_an_image"),
        "paper": ("skipped", "document"),
        "huge.jpg": ("skipped", "too_large"),
        "lies.jpg": ("skipped", "too_large"),
        "broken.jpg": ("failed", "bad_image"),
        "empty.jpg": ("failed", "bad_image"),
        "gone.jpg": ("failed", "not_found"),
    }
    assert all(file.reason for ref, file in files.items() if ref != "good.jpg")
    counts = await imports.counts(import_id)
    assert (counts.found, counts.imported, counts.skipped, counts.failed) == (8, 1, 4, 3)
    assert shelf.opened["huge.jpg"] == shelf.opened["paper"] == 0


async def test_a_second_import_fetches_what_has_changed(imports: Imports, picture: Picture) -> None:
    shelf = imports.shelf
    for number in range(3):
        shelf.add(f"{number}.jpg", picture(number))
    async with imports.importer():
        await imports.ended(await imports.start())
        shelf.folders["root"] = ([], [])
        shelf.add("0.jpg", picture(0))
        shelf.add("1.jpg", picture(100), revision="2")
        shelf.add("new.jpg", picture(101))
        second = await imports.start()
        await imports.ended(second)
        other = await imports.start("bob")
        await imports.ended(other)
    files = await imports.files(second)
    assert {ref: file.status for ref, file in files.items()} == {
        "0.jpg": "unchanged",
        "1.jpg": "imported",
        "new.jpg": "imported",
    }
    assert shelf.opened["0.jpg"] == 2  # once for each owner
    assert files["0.jpg"].image_id in {image.id for image in await imports.images()}
    assert len(await imports.images("bob")) == 3


async def test_two_imports_of_a_folder_at_once_make_each_image_once(imports: Imports, picture: Picture) -> None:
    for number in range(30):
        imports.shelf.add(f"{number}.jpg", picture(number))
    async with imports.importer(), imports.importer():
        first, second = await imports.start(), await imports.start()
        await imports.ended(first)
        await imports.ended(second)
    for each in (first, second):
        counts = await imports.counts(each)
        assert counts.imported + counts.unchanged == counts.found == 30
    assert len(await imports.images()) == 30


async def test_an_empty_folder_is_complete(imports: Imports) -> None:
    async with imports.importer():
        row = await imports.ended(await imports.start())
    assert (row.status, row.found, row.listed) == ("completed", 0, True)


@pytest.mark.parametrize(("error", "code"), [(AccessDenied, "access_denied"), (Missing, "not_found")])
async def test_a_folder_that_cannot_be_listed_fails_the_import(
    imports: Imports, error: type[Exception], code: str
) -> None:
    imports.shelf.listing = lambda *_: error("share the folder with anyone who has the link")
    async with imports.importer():
        row = await imports.ended(await imports.start())
    assert (row.status, row.error_code) == ("failed", code)
    assert row.error == "share the folder with anyone who has the link"
    await nothing_left(imports.database)


async def test_a_folder_within_that_cannot_be_listed_does_not(imports: Imports, picture: Picture) -> None:
    imports.shelf.add("a.jpg", picture(1))
    imports.shelf.add_folder("closed")
    imports.shelf.listing = lambda folder, _: (
        AccessDenied("it is closed: ask for access") if folder == "closed" else None
    )
    async with imports.importer():
        import_id = await imports.start()
        row = await imports.ended(import_id)
    assert row.status == "completed"
    assert (await imports.counts(import_id)).imported == 1


async def test_names_of_every_kind(imports: Imports, picture: Picture) -> None:
    names = [
        "日本語.jpg",
        "שלום.jpg",
        "🍕🍕.jpg",
        "e\u0301.jpg",
        "nul\0nul.jpg",
        "x" * 600 + ".jpg",
        "a/b\\c.jpg",
        "\ud800.jpg",
    ]
    for number, name in enumerate(names):
        imports.shelf.add(f"ref-{number}", picture(number), name=name, path=f"folder/{name}")
    async with imports.importer():
        import_id = await imports.start()
        await imports.ended(import_id)
    assert (await imports.counts(import_id)).imported == len(names)
    kept = {file.ref: file.name for file in (await imports.files(import_id)).values()}
    assert kept["ref-0"] == "日本語.jpg"
    assert kept["ref-4"] == "nulnul.jpg"
    assert all(len(name) <= 255 for name in kept.values())


async def test_a_canceled_import_stops(imports: Imports, picture: Picture) -> None:
    for number in range(300):
        imports.shelf.add(f"{number}.jpg", picture(number))
    async with imports.importer(slots=1, window=4):
        import_id = await imports.start()
        await until(lambda: len(imports.shelf.opened) > 3)
        await imports.cancel(import_id)

        async def settled() -> bool:
            counts = await imports.counts(import_id)
            return counts.queued == counts.fetching == 0 and counts.found == 300

        await until(settled)
    counts = await imports.counts(import_id)
    assert counts.canceled > 0
    assert counts.imported == len(await imports.images()) == len(imports.shelf.opened)
    assert counts.imported + counts.canceled == counts.found == 300
    await nothing_left(imports.database)


async def test_the_images_of_an_import_are_analyzed_in_their_turn(imports: Imports, picture: Picture) -> None:
    imports.shelf.add("a.jpg", picture(1))
    import_id = await imports.start(analysis_profile="describe")
    async with imports.importer():
        await imports.ended(import_id)
    (image,) = await imports.images()
    async with imports.database.transaction() as connection:
        (analysis,) = await analyses_of(connection, image.id)
    assert image.analysis_status == "pending"
    assert (analysis.profile, analysis.status, analysis.urgent) == ("describe", "queued", False)
