"""How a photo may be named."""

from __future__ import annotations

import pytest

from heliograph_gateway.words.pictures.schemas import PHOTO_ID, photo_id_of

PHOTOS = "https://unsplash.com/photos"


@pytest.mark.parametrize(
    ("named", "photo_id"),
    [
        (PHOTO_ID, PHOTO_ID),
        ("abcde", "abcde"),
        ("a" * 20, "a" * 20),
        (f"{PHOTOS}/{PHOTO_ID}", PHOTO_ID),
        (f"{PHOTOS}/a-lighthouse-at-dusk-{PHOTO_ID}?utm_source=x&utm_medium=referral", PHOTO_ID),
        (f"{PHOTOS}/lighthouse--Lpx-trb_Q-/", "-Lpx-trb_Q-"),
        (f"https://www.unsplash.com/de/fotos/ein-leuchtturm-{PHOTO_ID}#top", PHOTO_ID),
    ],
)
def test_a_photo_is_named_by_its_id_or_its_page(named: str, photo_id: str) -> None:
    assert photo_id_of(named) == photo_id


@pytest.mark.parametrize(
    "named",
    [
        "", "abcd", "a" * 21, "random", "../x", "a/b/c/d", "p 1234", f"{PHOTO_ID}\n", f"{PHOTOS}/random", f"{PHOTOS}/",
        f"http://unsplash.com/photos/{PHOTO_ID}", f"https://unsplash.com.example/photos/{PHOTO_ID}",
        f"https://example.com/photos/{PHOTO_ID}",
    ],
)  # fmt: skip
def test_nothing_else_names_one(named: str) -> None:
    with pytest.raises(ValueError, match="Unsplash"):
        photo_id_of(named)
