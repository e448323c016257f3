"""What a search's text asks for."""

from __future__ import annotations

import pytest

from heliograph_gateway.images.search.words import Phrase, Term, as_tsquery, read, split

READ: list[tuple[str, list[list[Term]]]] = [
    ("beach", [[Term("beach", begins=True)]]),
    ("beach dog", [[Term("beach")], [Term("dog", begins=True)]]),
    ('beach "red car"', [[Term("beach")], [Term("red car")]]),
    ('"red car', [[Term("red car")]]),
    ("beach -dog", [[Term("beach")], [Term("dog", excluded=True)]]),
    ('-"red car" beach', [[Term("red car", excluded=True)], [Term("beach", begins=True)]]),
    ("cat or dog OR cow", [[Term("cat"), Term("dog"), Term("cow", begins=True)]]),
    ("sea cat or -dog", [[Term("sea")], [Term("cat"), Term("dog", excluded=True)]]),
    ("or", [[Term("or", begins=True)]]),
    ("or cat or", [[Term("or")], [Term("cat")], [Term("or", begins=True)]]),
    ("cat or or dog", [[Term("cat"), Term("or")], [Term("dog", begins=True)]]),
    ('cat "or" dog', [[Term("cat")], [Term("or")], [Term("dog", begins=True)]]),
    ("   ", []),
    ("--x", [[Term("-x", excluded=True)]]),
    ('a"b c"d', [[Term("a")], [Term("b c")], [Term("d", begins=True)]]),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_reading(text: str, expected: list[list[Term]]) -> None:
    assert [list(clause) for clause in read(text)] == expected


def test_terms_without_words_are_left_out() -> None:
    terms = read('😀 img_12 or !! "" -sea')
    words = {"😀": [], "img_12": ["img", "12"], "!!": [], "": [], "sea": ["sea"]}
    assert split(terms, words) == [(Phrase(("img", "12")),), (Phrase(("sea",), excluded=True),)]


def test_as_tsquery() -> None:
    search = [(Phrase(("img", "12")), Phrase(("o'neil",), begins=True)), (Phrase(("a", "b"), excluded=True),)]
    assert as_tsquery(search) == "(('img' <-> '12') | ('o''neil':*)) & (!('a' <-> 'b'))"
