"""Generated pictures: valid SVG whatever the word is, with colours that follow from it."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_importer.words.providers.placeholders import HEIGHT, WIDTH, placeholder
from heliograph_importer.words.scoring import is_fit

_PREFIX = "data:image/svg+xml;charset=utf-8,"
_SVG = "{http://www.w3.org/2000/svg}"


def _drawn(url: str) -> ElementTree.Element:
    assert url.startswith(_PREFIX)
    assert url.isascii()
    return ElementTree.fromstring(unquote(url.removeprefix(_PREFIX)))  # noqa: S314 - our own


@given(st.text(min_size=1, max_size=200))
def test_any_text_makes_a_picture(word: str) -> None:
    photo = placeholder(word)
    for url in (photo.image_url, photo.thumb_url, photo.full_url):
        assert {each.tag for each in _drawn(url).iter()} == {
            f"{_SVG}{name}" for name in ("svg", "title", "defs", "linearGradient", "stop", "rect", "text")
        }
    assert is_fit(photo)


@pytest.mark.parametrize("word", ["<script>alert(1)</script>", "\"&'", "שלום", "👩‍🚀", "a\0b\x1b", "\ud800"])
def test_hostile_text_is_shown_as_text(word: str) -> None:
    shown = _drawn(placeholder(word).image_url).findtext(f"{_SVG}text")
    assert shown == "".join(each for each in word if each not in "\0\x1b\ud800")


def test_colours_follow_from_the_word_in_any_case() -> None:
    assert placeholder("Kettle").color == placeholder("kettle").color != placeholder("teapot").color
    assert placeholder("kettle").id == placeholder("kettle").id


def test_white_text_can_be_read_on_every_colour() -> None:
    for number in range(300):
        stops = _drawn(placeholder(f"word {number}").image_url).iter(f"{_SVG}stop")
        assert all(1.05 / (_luminance(stop.attrib["stop-color"]) + 0.05) >= 4.5 for stop in stops)


def _luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = (int(colour[begin : begin + 2], 16) / 255 for begin in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_long_words_are_cut_and_the_title_has_the_whole() -> None:
    drawn = _drawn(placeholder("x" * 200).image_url)
    assert drawn.findtext(f"{_SVG}text") == "x" * 39 + "…"
    assert drawn.findtext(f"{_SVG}title") == "x" * 200
    assert (drawn.attrib["width"], drawn.attrib["height"]) == (str(WIDTH), str(HEIGHT))
