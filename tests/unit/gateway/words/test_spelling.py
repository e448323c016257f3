"""What a word may be made of, and how it is kept."""

from __future__ import annotations

import unicodedata

import pytest

from heliograph_gateway.words import spelling


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" ice \t\n cream ", "ice cream"),
        ("e\u0301", "\u00e9"),
        ("\u00a0a\u2003b\u3000", "a b"),
        ("line\u2028separator", "line separator"),
        ("\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f469\u200d\U0001f467"),
        ("\u200f\u05d0\u200e", "\u200f\u05d0\u200e"),
        ("\u06a9\u200c\u06cc", "\u06a9\u200c\u06cc"),
        ("\U0010ffff", "\U0010ffff"),
    ],
)
def test_a_word_is_one_line_of_composed_characters(text: str, kept: str) -> None:
    assert spelling.word(text) == kept


def test_every_control_character_is_refused_or_a_blank() -> None:
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)):
        character = chr(code)
        if character in "\t\n\r":
            assert spelling.word(f"a{character}b") == "a b"
            continue
        with pytest.raises(ValueError, match=f"U\\+{code:04X}"):
            spelling.word(f"a{character}b")


def test_a_blank_word_is_none() -> None:
    for text in ("", " ", "\t\u3000"):
        assert spelling.translation(text) is None
        with pytest.raises(ValueError, match="blank"):
            spelling.word(text)


@pytest.mark.parametrize(
    "text", ["\u200b", "\u200d\u200f \u2060", "\ufeff", "\u3164", "\u2800\u2800", "\u00ad\ufe0f", "\U000e0041"]
)
def test_a_word_that_nobody_can_see_is_none(text: str) -> None:
    assert spelling.translation(text) is None
    with pytest.raises(ValueError, match="visible"):
        spelling.word(text)


def test_what_grows_when_it_is_composed_is_measured_again() -> None:
    text = "\u0958" * 150
    assert len(unicodedata.normalize("NFC", text)) == 300
    with pytest.raises(ValueError, match="at most 200"):
        spelling.word(text)


@pytest.mark.parametrize(
    ("tag", "usual"),
    [("EN", "en"), ("pt-br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("es-419", "es-419")],
)
def test_languages_have_one_spelling(tag: str, usual: str) -> None:
    assert spelling.language(tag) == usual
