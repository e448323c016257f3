"""Lists of words in files: forms that are read, and what is wrong with others, by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliograph_client.cli.word_lists import WordList, read
from heliograph_client.errors import HeliographError

GULL = {"text": "gull", "language": "en", "translation": "Möwe", "rank": 812, "id": "4711"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "words.csv"


def listed(file: Path, content: str | bytes, language: str | None = None) -> WordList:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(file, language)


@pytest.mark.parametrize(
    "content",
    [
        "text,language,translation,rank,id\ngull,en,Möwe,812,4711\n",
        "id;rank;Text ;language;translation\r\n4711;812;gull;en;Möwe",
        "rank\ttranslation\tlanguage\tid\ttext\n812\tMo\u0308we\ten\t4711\t  gull \n",
        "\ufefftext,language,translation,rank,id\n\n , \n'gull',en,Möwe,812,4711\n".replace("'", '"'),
        '"text","language","translation","rank","id"\n"gull","en","Möwe","812","4711"\n',
        "text\tlanguage\ttranslation\trank\tid\r\ngull\ten\tMöwe\t812\t4711\r\n".encode("utf-16"),
        "text,language,translation,rank,id,note\ngull,en,Möwe,812,4711,nice\n",
    ],
    ids=["commas", "semicolons", "tabs", "bom", "quoted", "utf-16", "more columns"],
)
def test_forms(file: Path, content: str | bytes) -> None:
    found = listed(file, content)
    assert [word.model_dump() for word in found.words] == [GULL]
    assert found.wrong == []
    assert found.unknown == (["note"] if "note" in str(content) else [])


def test_what_is_missing_is_nothing(file: Path) -> None:
    found = listed(file, 'text\ngull\n"the\nsea"\n', "en")
    assert [word.model_dump(exclude_none=True) for word in found.words] == [
        {"text": "gull", "language": "en"}, {"text": "the sea", "language": "en"},
    ]  # fmt: skip
    assert found.lines == [2, 3]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (",en,,,", "no text; fill it in"),
        ("gull,,,,", "no language; give a code"),
        ("gull,english,,,", "language 'english' is no code"),
        ("gull,en,,first,", "rank 'first' is no whole number"),
        ("gull,en,,0,", "rank '0' is no whole number"),
        ("gull,en,,1.5,", "rank '1.5' is no whole number"),
        ("gull,en,,2147483648,", "rank '2147483648' is no whole number"),
        ("gull,en,,,a b", "id 'a b' is not allowed"),
        ("gull,en,,,stats", "neither sync nor stats"),
        ("x" * 201 + ",en,,,", "text has 201 characters; shorten it to 200"),
        ("gull,en," + "x" * 1000 + ",,", "translation has 1,000 characters"),
        ("gu\x07ll,en,,,", "text has the control character U+0007"),
        ("gull\u202e,en,,,", "U+202E"),
        ("gull,en,,,,more", "6 cells, but 5 columns; put quotation marks"),
        ('"gull" x,en,,,', "quotation marks do not match"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(file: Path, row: str, told: str) -> None:
    found = listed(file, f'text,language,translation,rank,id\n"two\nlines",en,,,\n{row}\nsea,en,,,\n')
    assert [(line, told in fault) for line, fault in found.wrong] == [(4, True)], found.wrong
    assert [word.text for word in found.words] == ["two lines", "sea"]
    assert found.lines == [2, 5]


def test_words_of_all_scripts_are_words(file: Path) -> None:
    texts = ["שלום", "سلام\u200f", "👩\u200d🚀", "x" * 200, "日本語"]
    found = listed(file, "text,language\n" + "\n".join(f"{text},en" for text in texts))
    assert [word.text for word in found.words] == texts


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no column `text`"),
        ("word,language\ngull,en\n", "no column `text`; name the columns in the first line"),
        ("text,text,language\na,b,en\n", "two columns `text`"),
        ("text,rank\ngull,1\n", "no column `language`"),
        ("text,language\nM\u00f6we,de\n".encode("latin-1"), "words.csv:2: not UTF-8; save the file"),
    ],
)
def test_what_is_no_list(file: Path, content: str | bytes, told: str) -> None:
    with pytest.raises(HeliographError, match=told):
        listed(file, content)
