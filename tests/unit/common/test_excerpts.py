"""What others said, as our messages quote it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.excerpts import QUOTED, excerpt


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain, \xe4\u20ac", "plain, \xe4\u20ac"),
        ("a\nb\x00c\x1b[0m", "a b c [0m"),
        ("a\ud800", "a "),
        ("x" * 201, "x" * 200),
    ],
)
def test_an_excerpt_is_one_line_of_printable_text(text: str, quoted: str) -> None:
    assert excerpt(text) == quoted


@given(st.text())
def test_any_text_has_one(text: str) -> None:
    assert excerpt(text).isprintable()
    assert len(excerpt(text)) <= QUOTED
