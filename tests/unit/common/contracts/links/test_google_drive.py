"""What links to folders of Google Drive say, and what is refused with which remedy."""

from __future__ import annotations

import pytest

from heliograph_common.contracts.links.google_drive import parse

FOLDER = "1AbC-dEf_GhIjKlMnOpQrStUvWxYz012345"
SHARED_DRIVE = "0AAbCdEfGhIjKUk9PVA"
KEY = "0-aBcDeFgHiJkLmNoP_qRsTuV"


@pytest.mark.parametrize(
    "link",
    [
        FOLDER,
        f"  {FOLDER}\n",
        f"https://drive.google.com/drive/folders/{FOLDER}",
        f"http://drive.google.com/drive/folders/{FOLDER}/",
        f"drive.google.com/drive/folders/{FOLDER}?usp=sharing",
        f"https://www.drive.google.com/drive/folders/{FOLDER}?usp=drive_link&hl=de",
        f"https://DRIVE.google.com:443/drive/folders/{FOLDER}",
        f"https://drive.google.com/drive/u/0/folders/{FOLDER}",
        f"https://drive.google.com/drive/u/11/folders/{FOLDER}",
        f"https://drive.google.com/drive/mobile/folders/{FOLDER}?sort=13&direction=a",
        f"https://drive.google.com/drive/u/1/mobile/folders/{FOLDER}",
        f"https://drive.google.com/drive/mobile/folders/{SHARED_DRIVE}/{FOLDER}?usp=sharing",
        f"https://drive.google.com/corp/drive/folders/{FOLDER}",
        f"https://drive.google.com/a/example.com/folderview?id={FOLDER}",
        f"https://drive.google.com/folderview?id={FOLDER}&usp=sharing",
        f"https://drive.google.com/embeddedfolderview?id={FOLDER}#grid",
        f"https://drive.google.com/open?id={FOLDER}&authuser=0",
        f"https://docs.google.com/open?id={FOLDER}",
        f"https://drive.google.com/#folders/{FOLDER}",
        f"https://drive.google.com/drive/#folders/{FOLDER}?x=1",
        f"https://docs.google.com/folder/d/{FOLDER}/edit",
        f"https://drive.google.com/folder/d/{FOLDER}",
    ],
)
def test_every_form_of_a_link_to_a_folder(link: str) -> None:
    assert parse(link) == {"folder_id": FOLDER}


def test_a_shared_drive_is_a_folder() -> None:
    assert parse(f"https://drive.google.com/drive/u/0/folders/{SHARED_DRIVE}") == {"folder_id": SHARED_DRIVE}


@pytest.mark.parametrize(
    "link",
    [
        f"https://drive.google.com/drive/folders/{FOLDER}?resourcekey={KEY}&usp=sharing",
        f"https://drive.google.com/folderview?id={FOLDER}&resourcekey={KEY}",
        f"https://drive.google.com/open?resourceKey={KEY}&id={FOLDER}",
    ],
)
def test_resource_keys(link: str) -> None:
    assert parse(link) == {"folder_id": FOLDER, "resource_key": KEY}


def test_a_resource_key_that_could_not_be_one_is_left_out() -> None:
    assert parse(f"https://drive.google.com/drive/folders/{FOLDER}?resourcekey=a,b/c%0d") == {"folder_id": FOLDER}


@pytest.mark.parametrize(
    ("link", "says"),
    [
        (f"https://drive.google.com/file/d/{FOLDER}/view?usp=sharing", "a file"),
        (f"https://drive.google.com/uc?id={FOLDER}&export=download", "a file"),
        (f"https://docs.google.com/document/d/{FOLDER}/edit", "a file"),
        (f"https://docs.google.com/spreadsheets/u/0/d/{FOLDER}/edit#gid=0", "a file"),
        (f"https://docs.google.com/presentation/d/{FOLDER}/edit", "a file"),
        (f"https://docs.google.com/forms/d/e/{FOLDER}/viewform", "a file"),
        ("https://drive.google.com/drive/my-drive", "a folder of its own"),
        ("https://drive.google.com/drive/u/0/shared-with-me", "a folder of its own"),
        ("https://drive.google.com/", "a folder of its own"),
        ("https://drive.google.com/open", "no valid folder ID"),
        ("https://drive.google.com/drive/folders/", "no valid folder ID"),
        ("https://drive.google.com/drive/folders/x'%20or%20'", "no valid folder ID"),
        ("https://drive.google.com/open?id=x", "no valid folder ID"),
        ("https://docs.google.com/folder/d", "no valid folder ID"),
        ("https://photos.app.goo.gl/AbCdEfGhIjKl", "Google Photos"),
        ("https://photos.google.com/share/AbCdEfGhIjKl", "Google Photos"),
        (f"https://www.dropbox.com/drive/folders/{FOLDER}", "Not a link to Google Drive"),
        (f"https://drive.google.com.example.org/drive/folders/{FOLDER}", "Not a link to Google Drive"),
        (f"https://drive.google.com@example.org/drive/folders/{FOLDER}", "Not a link to Google Drive"),
        (f"ftp://drive.google.com/drive/folders/{FOLDER}", "Not a link to Google Drive"),
        (f"javascript://drive.google.com/drive/folders/{FOLDER}", "Not a link to Google Drive"),
        ("my holiday pictures", "Not a link to Google Drive"),
        ("", "Not a link to Google Drive"),
        ("https://[drive.google.com/drive/folders/x", "Not a valid URL"),
        (f"https://drive.google.com/drive/folders/{FOLDER}?x={'y' * 2048}", "too long"),
    ],
)
def test_what_is_no_folder_is_refused_with_the_remedy(link: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        parse(link)
    assert "Copy link, and use that link" in str(refused.value)
