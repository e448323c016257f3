"""Roots, pages, folders, shortcuts and what is skipped, against the double over HTTP."""

from __future__ import annotations

import hashlib

import pytest
from tests.unit.importer.sources.google_drive.support import Served, pages, walk

from heliograph_importer.sources.port import Folder, Missing, NotAFolder, OAuthToken
from heliograph_local.doubles.faults import Asked, Fault
from heliograph_local.doubles.google_drive import ANYONE, add_demo
from heliograph_local.doubles.google_drive.demo import FOLDER_ID

UNICODE = [
    "Ünïcödé.jpg",
    "日本の写真.png",
    "🌅👩‍👩‍👧.jpg",
    "e\u0301 and é.jpg",
    "\u202egpj.exe",
    "a/b\\c?#%2F.jpg",
    "' or '1'='1",
    "tab\tand\nline",
    " ",
    "x" * 3000,
]


async def test_the_root_is_the_folder_of_the_link(drive: Served) -> None:
    top = drive.double.tree.folder("Holidays", shared=ANYONE)
    assert await drive.source(top).root() == (Folder(ref=top.id), "Holidays")


async def test_the_root_is_where_a_shortcut_leads(drive: Served) -> None:
    tree = drive.double.tree
    top, elsewhere = tree.folder("Mine", shared=ANYONE), tree.folder("Hers", shared=ANYONE, resource_key="0-key")
    link = tree.shortcut("Her pictures", top, elsewhere)
    root, name = await drive.source(link).root()
    assert (root.ref, name, root.details) == (elsewhere.id, "Hers", {"resource_key": "0-key"})


async def test_a_file_is_no_root(drive: Served) -> None:
    picture = drive.double.tree.picture("one.jpg", None, shared=ANYONE)
    with pytest.raises(NotAFolder, match=r"'one.jpg', which is not a folder: use the link of the folder it is in"):
        await drive.source(picture).root()


async def test_a_folder_in_the_trash_is_no_root(drive: Served) -> None:
    top = drive.double.tree.folder("Old", shared=ANYONE, trashed=True)
    with pytest.raises(Missing, match="in the trash: restore it"):
        await drive.source(top).root()


async def test_an_empty_folder_is_one_page(drive: Served) -> None:
    source = drive.source(drive.double.tree.folder("Nothing", shared=ANYONE))
    [page] = await pages(source, (await source.root())[0])
    assert (page.files, page.folders, page.next) == ([], [], None)


async def test_pages_hold_every_file_once_in_any_number_of_pages(drive: Served) -> None:
    top = drive.double.tree.folder("Seven", shared=ANYONE)
    made = drive.double.tree.pictures(7, top)
    source = drive.source(top)
    found = await pages(source, Folder(ref=top.id))
    assert [len(page.files) for page in found] == [3, 3, 1]
    assert [file.ref for page in found for file in page.files] == [item.id for item in made]


async def test_what_is_told_of_a_file(drive: Served) -> None:
    top = drive.double.tree.folder("Top", shared=ANYONE)
    below = drive.double.tree.folder("Below", top)
    picture = drive.double.tree.picture("one.jpg", below)
    assert picture.content is not None
    [file] = await walk(drive.source(top))
    content = b"".join(picture.content.chunks())
    assert (file.ref, file.name, file.path) == (picture.id, "one.jpg", "Below/one.jpg")
    assert (file.size, file.mime_type, file.skip) == (len(content), "image/jpeg", None)
    assert file.revision == hashlib.sha256(content).hexdigest()


async def test_the_revision_changes_with_the_content(drive: Served) -> None:
    top = drive.double.tree.folder("Top", shared=ANYONE)
    picture = drive.double.tree.picture("one.jpg", top)
    [before] = await walk(drive.source(top))
    [same] = await walk(drive.source(top))
    drive.double.tree.write(picture, b"another")
    [after] = await walk(drive.source(top))
    assert before.revision == same.revision != after.revision


@pytest.mark.parametrize(
    ("told", "revision"),
    [
        ({"sha256Checksum": "aa", "md5Checksum": "bb", "headRevisionId": "c"}, "aa"),
        ({"md5Checksum": "bb", "headRevisionId": "c"}, "bb"),
        ({"headRevisionId": "c"}, "c"),
        ({}, "1:2026-01-01T00:00:01.000Z"),
    ],
)
async def test_the_revision_is_the_best_that_drive_tells(drive: Served, told: dict[str, str], revision: str) -> None:
    top = drive.double.tree.folder("Top", shared=ANYONE)
    item = drive.double.tree.picture("one.jpg", top)
    item.content = None  # so that nothing but this is told of it
    item.extra = told
    [file] = await walk(drive.source(top))
    assert (file.revision, file.size) == (revision, None)


async def test_documents_other_types_and_what_may_not_be_downloaded_are_skipped(drive: Served) -> None:
    tree = drive.double.tree
    top = tree.folder("Mixed", shared=ANYONE)
    tree.document("plan", top)
    tree.document("table", top, "spreadsheet")
    tree.file("film.mp4", top, b"x", "video/mp4")
    tree.file("unknown", top, b"x", "application/octet-stream")
    tree.picture("locked.jpg", top, can_download=False)
    tree.picture("good.jpg", top)
    files = {file.name: file.skip for file in await walk(drive.source(top))}
    assert {name: skip[0] if skip else None for name, skip in files.items()} == {
        "plan": "document",
        "table": "document",
        "film.mp4": "not_an_image",
        "unknown": None,
        "locked.jpg": "not_downloadable",
        "good.jpg": None,
    }
    assert files["table"] == ("document", "Google spreadsheet: not a file that can be downloaded")
    assert files["film.mp4"] == ("not_an_image", "Google Drive says that its type is video/mp4")


async def test_names_have_every_kind_of_unicode(drive: Served) -> None:
    top = drive.double.tree.folder("Names", shared=ANYONE)
    for name in UNICODE:
        drive.double.tree.picture(name, top)
    assert [file.name for file in await walk(drive.source(top))] == UNICODE


async def test_names_lose_what_no_database_keeps(drive: Served) -> None:
    top = drive.double.tree.folder("Names", shared=ANYONE)
    drive.double.tree.picture("a\0b.jpg", top)
    assert [file.name for file in await walk(drive.source(top))] == ["a\ufffdb.jpg"]


async def test_trash_is_not_listed(drive: Served) -> None:
    top = drive.double.tree.folder("Top", shared=ANYONE)
    drive.double.tree.picture("gone.jpg", top, trashed=True)
    drive.double.tree.picture("there.jpg", top)
    assert [file.name for file in await walk(drive.source(top))] == ["there.jpg"]


async def test_a_cycle_of_shortcuts_ends(drive: Served) -> None:
    tree = drive.double.tree
    top = tree.folder("Top", shared=ANYONE)
    one, two = tree.folder("One", top), tree.folder("Two", top)
    tree.shortcut("to two", one, two)
    tree.shortcut("to one", two, one)
    tree.shortcut("to the top", two, top)
    picture = tree.picture("once.jpg", two)
    assert [file.ref for file in await walk(drive.source(top))] == [picture.id]


async def test_a_shortcut_to_a_folder_is_that_folder_under_its_own_name(drive: Served) -> None:
    tree = drive.double.tree
    top, other = tree.folder("Top", shared=ANYONE), tree.folder("Other", shared=ANYONE, resource_key="0-abc")
    tree.shortcut("Others", top, other)
    tree.picture("there.jpg", other)
    [folder] = (await drive.source(top).list(Folder(ref=top.id), "")).folders
    assert folder == Folder(ref=other.id, path="Others", details={"resource_key": "0-abc"})
    assert [file.path for file in await walk(drive.source(top))] == ["Others/there.jpg"]


async def test_a_shortcut_to_a_file_is_that_file_with_its_revision(drive: Served) -> None:
    tree = drive.double.tree
    top, other = tree.folder("Top", shared=ANYONE), tree.folder("Other", shared=ANYONE)
    picture = tree.picture("original.jpg", other, resource_key="0-abc")
    tree.shortcut("favourite", top, picture)
    tree.shortcut("plan", top, tree.document("a plan", other))
    file, plan = await walk(drive.source(top))
    assert picture.content is not None
    assert (file.ref, file.name, file.size) == (picture.id, "favourite", picture.content.size)
    assert file.revision == picture.content.checksums["sha256Checksum"]
    assert file.details == {"resource_key": "0-abc"}
    assert plan.skip is not None
    assert plan.skip[0] == "document"
    asked = drive.double.behaviour.asked
    assert asked.count(Asked(call="drive.files.get", about=picture.id)) == 1
    assert all(each.about != plan.ref for each in asked)


async def test_a_file_and_a_shortcut_to_it_are_one_file(drive: Served) -> None:
    tree = drive.double.tree
    top = tree.folder("Top", shared=ANYONE)
    later = tree.folder("Later", top)
    picture = tree.picture("one.jpg", later)
    tree.shortcut("the same", later, picture)
    tree.shortcut("and again", later, picture)
    assert [file.name for file in await walk(drive.source(top))] == ["one.jpg"]


async def test_a_shortcut_to_what_cannot_be_seen_is_left_to_the_fetch(drive: Served) -> None:
    tree = drive.double.tree
    top = tree.folder("Top", shared=ANYONE)
    hidden, gone = tree.picture("private.jpg", None), tree.picture("gone.jpg", None, shared=ANYONE)
    tree.shortcut("hidden", top, hidden)
    tree.shortcut("broken", top, gone, extra={"shortcutDetails": {}})
    file, broken = sorted(await walk(drive.source(top)), key=lambda each: each.name, reverse=True)
    assert (file.ref, file.revision, file.skip) == (hidden.id, None, None)
    assert broken.skip is not None
    assert broken.skip[0] == "not_downloadable"


async def test_a_quota_met_at_shortcuts_does_not_hold_up_the_page(drive: Served) -> None:
    tree = drive.double.tree
    top, other = tree.folder("Top", shared=ANYONE), tree.folder("Other", shared=ANYONE)
    for number in range(3):
        tree.shortcut(f"{number}", top, tree.picture(f"{number}.jpg", other))
    drive.double.behaviour.misbehave(Fault(kind="quota", call="drive.files.get", times=-1))
    page = await drive.source(top).list(Folder(ref=top.id), "")
    assert [(file.name, file.revision) for file in page.files] == [("0", None), ("1", None), ("2", None)]


async def test_a_shared_drive_is_listed_with_its_name(drive: Served) -> None:
    tree, accounts = drive.double.tree, drive.double.accounts
    top = tree.shared_drive("Marketing", "ada@example.com")
    tree.picture("one.jpg", tree.folder("2026", top))
    source = drive.source(top, OAuthToken(access_token=accounts.token("ada@example.com")))
    assert (await source.root())[1] == "Marketing"
    assert [file.path for file in await walk(source)] == ["2026/one.jpg"]


async def test_resource_keys_open_old_links(drive: Served) -> None:
    tree = drive.double.tree
    top = tree.folder("Old", shared=ANYONE, resource_key="0-top")
    inner = tree.folder("Inner", top, resource_key="0-inner")
    tree.picture("one.jpg", inner, resource_key="0-one")
    with pytest.raises(Missing, match="share the folder"):
        await drive.source(top).root()
    with pytest.raises(Missing):
        await drive.source(top, key="0-wrong").root()
    [file] = await walk(drive.source(top, key="0-top"))
    assert file.details == {"resource_key": "0-one"}


async def test_the_demo_has_pictures_and_what_is_skipped(drive: Served) -> None:
    assert add_demo(drive.double.tree).endswith(FOLDER_ID)
    files = await walk(drive.source(FOLDER_ID))
    assert len([file for file in files if file.skip is None]) == 6 + 1  # the shortcut's picture is found twice
    assert len({file.ref for file in files}) == 6 + 2
