"""Cursors say where to go on, and only for their own query."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.http.problems import Problem
from heliograph_gateway.http import cursor
from heliograph_gateway.http.problems import INVALID_CURSOR
from heliograph_gateway.images.queries import ImageFilter


@given(st.text(max_size=60), st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
def test_a_cursor_comes_back_for_its_query(position: str, query: dict[str, str]) -> None:
    token = cursor.encode(position, query)

    assert token.isascii()
    assert not set(token) & set("+/=&?")
    assert cursor.decode(token, query) == position


@pytest.mark.parametrize(
    "other",
    [{"status": "failed"}, {"created_after": datetime(2026, 1, 2, tzinfo=UTC)}, {"q": "b"}],
)
def test_another_query_is_refused(other: dict[str, Any]) -> None:
    token = cursor.encode("x", ImageFilter(q="a", created_after=datetime(2026, 1, 1, tzinfo=UTC)).as_query())

    with pytest.raises(Problem) as refused:
        cursor.decode(token, ImageFilter(**{"q": "a", **other}).as_query())
    assert refused.value.kind is INVALID_CURSOR


@given(st.text(max_size=700))
def test_anything_else_is_refused(token: str) -> None:
    with pytest.raises(Problem):
        cursor.decode(token, {})


@pytest.mark.parametrize("content", [b"{}", b"[1]", b"[2,'a','b']", b'[1,3,""]', b"null", b"[" * 300])
def test_json_that_is_no_cursor_is_refused(content: bytes) -> None:
    import base64

    with pytest.raises(Problem):
        cursor.decode(base64.urlsafe_b64encode(content).decode(), {})
