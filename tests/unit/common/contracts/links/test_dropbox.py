"""Links to folders of Dropbox, as people copy them."""

from __future__ import annotations

import pytest

from heliograph_common.contracts.links.dropbox import parse

SHARED = "https://www.dropbox.com/scl/fo/7hx3nrdwh0m4/AHz_X-9?rlkey=k3y"
OLDER = "https://www.dropbox.com/sh/ofdd6ia32eo4wk5/AAA8553of0M2"


@pytest.mark.parametrize(
    "link",
    [
        SHARED,
        f"{SHARED}&dl=0",
        f"{SHARED}&st=1a2b3c&dl=1",
        "https://www.dropbox.com/scl/fo/7hx3nrdwh0m4/AHz_X-9?e=1&st=x&rlkey=k3y",
        f"  {SHARED}\n",
        "http://dropbox.com/scl/fo/7hx3nrdwh0m4/AHz_X-9/?rlkey=k3y&dl=0#grid",
        "www.dropbox.com/scl/fo/7hx3nrdwh0m4/AHz_X-9?rlkey=k3y",
        "HTTPS://WWW.DROPBOX.COM/scl/fo/7hx3nrdwh0m4/AHz_X-9?rlkey=k3y",
    ],
)
def test_one_folder_has_one_link_however_it_was_copied(link: str) -> None:
    assert parse(link) == {"shared_link": SHARED}


@pytest.mark.parametrize(
    "link", [OLDER, f"{OLDER}?dl=0", f"{OLDER}/?lst=&dl=0", "dropbox.com/sh/ofdd6ia32eo4wk5/AAA8553of0M2"]
)
def test_a_link_of_older_make(link: str) -> None:
    assert parse(link) == {"shared_link": OLDER}


def test_a_folder_within_a_shared_one() -> None:
    assert parse("https://www.dropbox.com/scl/fo/abc/def/S%C3%BCden/Tag%201?rlkey=k&subfolder_nav_tracking=1") == {
        "shared_link": "https://www.dropbox.com/scl/fo/abc/def?rlkey=k",
        "path": "/Süden/Tag 1",
    }
    assert parse(f"{OLDER}/2024?dl=0") == {"shared_link": OLDER, "path": "/2024"}


def test_a_secret_stays_one_value() -> None:
    assert parse("https://www.dropbox.com/scl/fo/a/b?rlkey=x%26dl%3D1") == {
        "shared_link": "https://www.dropbox.com/scl/fo/a/b?rlkey=x%26dl%3D1"
    }


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("https://www.dropbox.com/home/Photos/2024", "/Photos/2024"),
        ("https://www.dropbox.com/home/Photos%20%C3%A4?preview=a.jpg", "/Photos ä"),
        ("https://www.dropbox.com/home", ""),
        ("https://www.dropbox.com/home/", ""),
        ("/Photos", "/Photos"),
        ("/Photos/", "/Photos"),
        ("//Photos//2024", "/Photos/2024"),
        ("/100%25", "/100%25"),
        ("/写真/été", "/写真/été"),
        ("/", ""),
    ],
)
def test_a_folder_of_ones_own(link: str, path: str) -> None:
    assert parse(link) == {"path": path}


@pytest.mark.parametrize(
    "link",
    [
        "https://www.dropbox.com/scl/fi/7hx3nrdwh0m4/pic.jpg?rlkey=k3y&dl=0",
        "https://www.dropbox.com/s/a2b3c4/pic.jpg?dl=0",
    ],
)
def test_a_link_to_a_single_file_is_refused(link: str) -> None:
    with pytest.raises(ValueError, match="single file: share the folder"):
        parse(link)


@pytest.mark.parametrize(
    "link",
    [
        "https://drive.google.com/drive/folders/abc",
        "https://www.dropbox.com.evil.test/scl/fo/a/b?rlkey=k",
        "https://www.dropbox.com@evil.test/scl/fo/a/b?rlkey=k",
        "https://evil.test/https://www.dropbox.com/scl/fo/a/b",
        "https://dl.dropboxusercontent.com/scl/fo/a/b?rlkey=k",
        "https://www.dropbox.com:8443/scl/fo/a/b",
        "ftp://www.dropbox.com/scl/fo/a/b",
        "file:///etc/passwd",
        "Photos",
    ],
)
def test_another_host_is_refused(link: str) -> None:
    with pytest.raises(ValueError, match=r"not one of www\.dropbox\.com: share the folder"):
        parse(link)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "   ",
        "https://[www.dropbox.com/scl/fo/a/b",
        "https://www.dropbox.com:port/scl/fo/a/b",
        "https://www.dropbox.com/",
        "https://www.dropbox.com/scl/fo/",
        "https://www.dropbox.com/scl/fo/a",
        "https://www.dropbox.com/sh/a",
        "https://www.dropbox.com/scl/fo/a/b%2Fc?rlkey=k",
        "https://www.dropbox.com/scl/fo/\u00e4/b?rlkey=k",
        "https://www.dropbox.com/homework",
        "https://www.dropbox.com/request/abc",
        "https://www.dropbox.com/scl/fo/a/b\r\nHost: evil.test",
    ],
)
def test_what_leads_to_no_folder_is_refused_with_a_remedy(link: str) -> None:
    with pytest.raises(ValueError, match="share the folder in Dropbox"):
        parse(link)


@pytest.mark.parametrize(
    "link",
    ["/a/../b", "/.", "https://www.dropbox.com/home/..", "https://www.dropbox.com/sh/a/b/c%00", f"{OLDER}/%2e%2e"],
)
def test_a_path_has_names_only(link: str) -> None:
    with pytest.raises(ValueError, match="name each folder from the root"):
        parse(link)
