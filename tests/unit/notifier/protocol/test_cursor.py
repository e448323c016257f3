from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_notifier.protocol.cursor import Cursor, parse_cursor

EPOCHS = st.integers(0, 2**64 - 1).map(lambda number: f"{number:x}")


@given(EPOCHS, st.integers(0, 10**18))
def test_what_is_written_is_read(epoch: str, seq: int) -> None:
    cursor = Cursor(epoch, seq)
    assert parse_cursor(str(cursor)) == cursor


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_in_its_one_form_or_none(text: str) -> None:
    cursor = parse_cursor(text)
    assert cursor is None or str(cursor) == text


@pytest.mark.parametrize("text", ["", "5f", "5f.", ".5", "5f.-1", "5f.01", "5f.1 ", "5f.1\n", "5F.1", "5f.1.2", "5f.١"])  # noqa: RUF001
def test_malformed(text: str) -> None:
    assert parse_cursor(text) is None
