"""What of Unsplash's photos can be taken, and with which links."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from heliograph_importer.words.providers.unsplash_photos import Asset, credited, is_web, photo_of, sized

_FILE = "https://images.unsplash.com/photo-1?ixid=M3w&fm=jpg"


def _asset(**changed: Any) -> Asset:
    facts: dict[str, Any] = {
        "id": "Dwu85P9SOIk",
        "width": 2448,
        "height": 3264,
        "color": "#6E633A",
        "blur_hash": "LFC$yHwc8^$yIAS$%M%00KxukYIp",
        "description": "A man drinking coffee.",
        "alt_description": "man\x00 with cup",
        "urls": {"raw": _FILE, "full": _FILE, "regular": _FILE, "small": _FILE, "thumb": _FILE},
        "links": {
            "html": "https://unsplash.com/photos/Dwu85P9SOIk",
            "download_location": "https://api.unsplash.com/d?ixid=1",
        },
        "user": {"name": "Gilbert Kane", "links": {"html": "https://unsplash.com/@gilbertkane"}},
        "tags": [{"title": "coffee"}, {}],
    }
    return msgspec.convert(facts | changed, type=Asset)


def test_a_photo_is_credited_as_the_guidelines_ask() -> None:
    photo = photo_of(_asset(), app="my-app")
    assert photo is not None
    assert photo.page_url == "https://unsplash.com/photos/Dwu85P9SOIk?utm_source=my-app&utm_medium=referral"
    assert photo.photographer_url == "https://unsplash.com/@gilbertkane?utm_source=my-app&utm_medium=referral"
    assert photo.image_url == _FILE, "hotlinks stay as they are"
    assert (photo.description, photo.tags) == ("man with cup; A man drinking coffee.", ("coffee",))


@pytest.mark.parametrize(
    "changed",
    [
        {"premium": True},
        {"plus": True},
        {"urls": dict.fromkeys(("full", "regular", "thumb"), "https://plus.unsplash.com/premium_photo-1")},
        {"urls": dict.fromkeys(("full", "regular", "thumb"), "javascript:alert(1)")},
        {"user": {"name": "x", "links": {"html": "//evil.example"}}},
        {"links": {"html": 'https://a.example/"><script>', "download_location": _FILE}},
        {"width": 0},
        {"height": -1},
        {"width": 10**9},
        {"id": ""},
        {"id": "a\nb"},
        {"id": "x" * 65},
    ],
)
def test_what_cannot_be_taken(changed: dict[str, Any]) -> None:
    assert photo_of(_asset(**changed), app="my-app") is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/x", "https://a.example/x?utm_source=h&utm_medium=referral"),
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1&utm_source=h&utm_medium=referral#z"),
    ],
)
def test_links_keep_what_they_have(url: str, expected: str) -> None:
    assert credited(url, "h") == expected


def test_a_file_is_asked_for_in_the_size_of_a_display() -> None:
    assert (
        sized("https://i.example/p?ixid=M3w&w=10&q=85")
        == "https://i.example/p?ixid=M3w&w=3840&h=3840&fit=max&fm=jpg&q=85"
    )


@pytest.mark.parametrize(
    "url", ["data:text/html,x", "ftp://a.example", "https://", "https://[", "https://a.example/ b", "x" * 5000]
)
def test_what_is_no_address_of_the_web(url: str) -> None:
    assert not is_web(url)
