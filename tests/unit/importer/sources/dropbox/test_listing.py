"""Listing folders of Dropbox: shared by link, and a user's own."""

from __future__ import annotations

import pytest
from dropbox.content_hash import content_hash
from tests.unit.importer.sources.dropbox.support import app_key_of, content_of, dropbox_world, everything, token_of

from heliograph_importer.sources.dropbox.entries import path_of
from heliograph_importer.sources.names import readable
from heliograph_importer.sources.port import Folder, Location, NotAFolder
from heliograph_local.doubles.dropbox import Folder as Held
from heliograph_local.doubles.faults import Fault

NAMES = [
    "Ünïcode ä.jpg",
    "a\u0308 decomposed.jpg",
    "日本語/写真 📷.png",
    "עברית \u200f.jpg",
    "👩‍👩‍👧‍👦.webp",
    "a'b\"c\\d.jpg",
    "100% #1?&x=y.jpg",
    " leading and trailing .jpg ",
    "line\nbreak.jpg",
    "nul\x00.jpg",
    "delete\x7f.jpg",
    "lone \ud800.jpg",
    "..jpg",
    "id:fake.jpg",
    "n" * 250 + ".jpg",
]
KINDS = {
    "a.pdf": "document",
    "a.DOCX": "document",
    "a.txt": "document",
    "a.csv": "document",
    "a.md": "document",
    "data:,b.pdf": "document",
    "a.mp4": "not_an_image",
    "a.MOV": "not_an_image",
    "a.mp3": "not_an_image",
    "a.zip": "not_an_image",
    "a.jpg.gz": "not_an_image",
    "a.json": "not_an_image",
    "a.jpg": None,
    "a.heic": None,
    "a.bin": None,
    "a.unheard-of": None,
    "IMG_0001": None,
    ".jpg": None,
}


async def test_a_page_says_what_dropbox_does() -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        held.file("beach.JPG", b"sand")
        held.folder("Mountains")
        source = world.shared(world.double.share(held))
        root, name = await source.root()
        assert name == "Holidays"
        assert (root.ref, root.path) == ("/", "")
        page = await source.list(root, "")
        [file], [folder] = page.files, page.folders
        assert page.next is None
        assert (file.name, file.path, file.size, file.mime_type) == ("beach.JPG", "beach.JPG", 4, "image/jpeg")
        assert file.revision == content_hash(b"sand")
        assert file.ref == held.find("beach.JPG").id  # type: ignore[union-attr]
        assert file.skip is None
        assert (folder.ref, folder.path) == ("/Mountains", "Mountains")
        assert world.budget.spent == 2


async def test_nested_folders_of_a_link_are_walked_by_their_path_in_it() -> None:
    async with dropbox_world(page_size=2) as world:
        held = Held(name="Holidays")
        paths = [f"{folder}{number}.jpg" for folder in ("", "A/", "A/B/", "A/B/C/", "Ä ö/") for number in range(5)]
        for path in paths:
            held.file(path, path.encode())
        found = await everything(world.shared(world.double.share(held)))
        assert sorted(file.path for file in found) == sorted(paths)
        assert len({file.ref for file in found}) == len(paths)


async def test_a_list_is_always_of_one_level() -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        held.file("A/B/c.jpg")
        page = await world.shared(world.double.share(held)).list(Folder(ref=""), "")
        assert [folder.ref for folder in page.folders] == ["/A"]
        assert page.files == []


async def test_a_folder_within_the_shared_one() -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        held.file("Süden/Tag 1/sea.jpg")
        held.file("else.jpg")
        url = world.double.share(held).url.replace("?", "/S%C3%BCden?")
        source = world.shared(url)
        root, name = await source.root()
        assert (root.ref, name) == ("/S\\u00fcden", "Süden")
        assert [file.path for file in await everything(source)] == ["Tag 1/sea.jpg"]


@pytest.mark.parametrize("path", ["/", "/Photos", "/Photos/2025"])
async def test_a_folder_of_ones_own(path: str) -> None:
    async with dropbox_world(page_size=2) as world:
        held = Held(name="Dropbox root")
        for number in range(5):
            held.file(f"Photos/2025/{number}.jpg")
        source = world.own(world.double.account(held), path)
        root, name = await source.root()
        assert name == (path.rpartition("/")[2] or "Dropbox")
        assert root.path == ""
        below = "/Photos/2025".removeprefix(path).strip("/")
        names = [f"{below}/{number}.jpg".lstrip("/") for number in range(5)]
        assert sorted(file.path for file in await everything(source)) == names


async def test_the_same_file_has_one_reference_by_link_and_by_path() -> None:
    async with dropbox_world() as world:
        own = Held(name="root")
        own.file("Photos/a.jpg", b"a")
        photos = own.folder("Photos")
        account, link = world.double.account(own), world.double.share(photos)
        [by_path] = await everything(world.own(account, "/Photos"))
        [by_link] = await everything(world.shared(link))
        [by_token] = await everything(world.shared(link, token_of(account)))
        [by_app] = await everything(world.shared(link, app_key_of(world.double)))
        assert len({(file.ref, file.revision) for file in (by_path, by_link, by_token, by_app)}) == 1


async def test_the_revision_changes_with_the_content_and_the_reference_does_not() -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        file = held.file("a.jpg", b"before")
        source = world.shared(world.double.share(held))
        [before] = await everything(source)
        file.replace(b"after")
        [after] = await everything(source)
        assert before.ref == after.ref
        assert before.revision != after.revision


async def test_an_empty_folder() -> None:
    async with dropbox_world() as world:
        assert await everything(world.shared(world.double.share(Held(name="Nothing")))) == []


async def test_names_of_every_kind() -> None:
    async with dropbox_world() as world:
        held = Held(name="Names")
        paths = [f"{name}/{name}" for name in NAMES]
        for path in paths:
            held.file(path, path.encode("utf-8", "surrogatepass"))
        source = world.shared(world.double.share(held))
        found = await everything(source)
        assert sorted(file.path for file in found) == sorted(readable(path) for path in paths)
        assert all(file.path.endswith(f"/{file.name}") for file in found)
        for file in found:
            held_at = path_of(file.details["path"]).removeprefix("/")
            assert await content_of(source, file) == held_at.encode("utf-8", "surrogatepass")
            assert file.details["path"].isascii()  # so that a row can have it
            assert "\x00" not in file.details["path"]
        own = await everything(world.own(world.double.account(held)))
        assert {(file.ref, file.path) for file in own} == {(file.ref, file.path) for file in found}


async def test_names_that_are_certainly_no_picture_are_skipped() -> None:
    async with dropbox_world() as world:
        held = Held(name="Mixed")
        for name in KINDS:
            held.file(name, b"x")
        found = await everything(world.shared(world.double.share(held)))
        assert {file.name: file.skip[0] if file.skip else None for file in found} == KINDS
        assert all(file.skip is None or file.skip[1] for file in found)


async def test_what_has_no_content_is_skipped() -> None:
    async with dropbox_world() as world:
        held = Held(name="Mixed")
        held.file("Diary.jpg").exported_as = "docx"
        held.file("Link.jpg").symlink_to = "/etc/passwd"
        found = await everything(world.shared(world.double.share(held)))
        assert [file.skip and file.skip[0] for file in found] == ["not_downloadable"] * 2
        assert found[0].revision


async def test_a_link_to_a_file_is_no_folder() -> None:
    async with dropbox_world() as world:
        held = Held(name="Holidays")
        file = held.file("a.jpg")
        own = world.double.account(held)
        inside = world.double.share(held).url.replace("?", "/a.jpg?")
        single = Location(link={"shared_link": world.double.share(file).url})
        for source in (
            world.shared(inside),
            world.own(own, "/a.jpg"),
            world.provider.source(single, None, world.budget),
        ):
            with pytest.raises(NotAFolder, match="folder that it is in"):
                await source.root()
        with pytest.raises(NotAFolder):
            await world.own(own, "/a.jpg").list(Folder(ref=""), "")


async def test_a_repeated_page_is_handed_on_with_a_cursor_of_its_own() -> None:
    async with dropbox_world(page_size=2) as world:
        held = Held(name="Holidays")
        names = [f"{number}.jpg" for number in range(6)]
        for name in names:
            held.file(name)
        world.double.behaviour.misbehave(Fault(kind="repeated_page", call="files/list_folder/continue"))
        found = await everything(world.shared(world.double.share(held)))
        assert [file.name for file in found] == [*names[:2], *names[:2], *names[2:]]


async def test_files_that_vanish_while_listing_do_not_hide_others() -> None:
    async with dropbox_world(page_size=2) as world:
        held = Held(name="Holidays")
        for number in range(6):
            held.file(f"{number}.jpg")
        source = world.shared(world.double.share(held))
        first = await source.list(Folder(ref=""), "")
        held.remove("0.jpg")
        held.remove("1.jpg")
        second = await source.list(Folder(ref=""), first.next or "")
        assert [file.name for file in second.files] == ["2.jpg", "3.jpg"]


async def test_paths_of_folders_are_such_as_rows_can_have() -> None:
    async with dropbox_world() as world:
        held = Held(name="a\ud800\x00")
        held.file("b\udfff\x00/c\ud800/d.jpg")
        source = world.shared(world.double.share(held))
        root, name = await source.root()
        [below] = (await source.list(root, "")).folders
        [deeper] = (await source.list(below, "")).folders
        assert (name, below.path, deeper.path) == ("a\ufffd\ufffd", "b\ufffd\ufffd", "b\ufffd\ufffd/c\ufffd")
        assert len(await everything(source)) == 1, "the folders are still found by what they are called"
