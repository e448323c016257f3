"""Revisions of contents: from headers, and back into the condition of a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_importer.sources.urls.revisions import conditional, revision_of

DATE = "Mon, 04 May 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"etag": '"abc"'}, {"If-None-Match": '"abc"'}),
        ({"etag": '"abc"', "last-modified": DATE, "content-length": "5"}, {"If-None-Match": '"abc"'}),
        ({"etag": 'W/"abc"', "last-modified": DATE, "content-length": "5"}, {"If-Modified-Since": DATE}),
        ({"last-modified": DATE, "content-length": "5"}, {"If-Modified-Since": DATE}),
    ],
)
def test_a_revision_becomes_the_condition_of_the_next_request(
    headers: dict[str, str], condition: dict[str, str]
) -> None:
    assert conditional(revision_of(headers)) == condition


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"etag": 'W/"abc"'},
        {"etag": "abc"},
        {"etag": '"a\r\nX: y"'},
        {"last-modified": DATE},
        {"content-length": "5"},
        {"last-modified": f"{DATE}; x", "content-length": "5"},
    ],
)
def test_without_a_trustworthy_header_there_is_no_revision(headers: dict[str, str]) -> None:
    assert revision_of(headers) is None


def test_another_size_is_another_revision() -> None:
    told = {"last-modified": DATE, "content-length": "5"}
    assert revision_of(told) != revision_of({**told, "content-length": "6"})


def test_an_unknown_revision_makes_no_condition() -> None:
    assert conditional(None) == {}
    assert conditional("of another kind") == {}


@given(st.text(), st.text(), st.text())
def test_conditions_are_headers_whatever_a_server_told(etag: str, modified: str, size: str) -> None:
    revision = revision_of({"etag": etag, "last-modified": modified, "content-length": size})
    for value in conditional(revision).values():
        assert value.isascii()
        assert value.isprintable()
