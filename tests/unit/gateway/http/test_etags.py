"""Entity tags and their conditions (RFC 9110, 13.1)."""

from __future__ import annotations

import pytest

from heliograph_gateway.http.etags import etag, matches


def test_a_tag_is_strong_and_of_the_bytes() -> None:
    assert etag(b"a") == etag(b"a") != etag(b"b")
    assert etag(b"a").startswith('"')


@pytest.mark.parametrize(
    ("header", "weak", "strong"),
    [
        ('"x"', True, True),
        ('W/"x"', True, False),
        ('"y", "x"', True, True),
        ('"y" , W/"x"', True, False),
        ("*", True, True),
        ('"y"', False, False),
        ("x", False, False),
        ("", False, False),
    ],
)
def test_conditions(header: str, weak: bool, strong: bool) -> None:
    assert matches(header, '"x"', weak=True) is weak
    assert matches(header, '"x"', weak=False) is strong
