"""Addresses of lists are written in one way, or refused with the remedy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.contracts.links.urls import LONGEST, normalize


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://example.com/a.jpg", "https://example.com/a.jpg"),
        (" HTTPS://EXAMPLE.com/A.jpg\n", "https://example.com/A.jpg"),
        ("http://example.com", "http://example.com/"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:443/a", "http://example.com:443/a"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("https://example.com/a?token=x&b#fragment", "https://example.com/a?token=x&b"),
        ("https://example.com/a%2Fb%20c", "https://example.com/a%2Fb%20c"),
        ("https://example.com/a b.jpg", "https://example.com/a b.jpg"),
        ("https://bücher.example/画像.png", "https://bücher.example/画像.png"),
        ("https://example.com/u\N{COMBINING DIAERESIS}.jpg", "https://example.com/ü.jpg"),
        ("http://[2606:4700::1]:8080/a", "http://[2606:4700::1]:8080/a"),
        ("http://2130706433/", "http://2130706433/"),
    ],
)
def test_an_address_is_written_in_one_way(url: str, normal: str) -> None:
    assert normalize(url) == normal
    assert normalize(normal) == normal


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("", "http://"),
        ("picture.jpg", "http://"),
        ("example.com/a.jpg", "http://"),
        ("ftp://example.com/a.jpg", "http://"),
        ("file:///etc/passwd", "http://"),
        ("javascript:alert(1)", "http://"),
        ("data:image/png;base64,AAAA", "http://"),
        ("https:///a.jpg", "host"),
        ("https://./a.jpg", "host"),
        ("https://exa mple.com/", "host"),
        ("https://%31.example/", "host"),
        ("https://user@example.com/", "user name"),
        ("https://user:secret@example.com/", "password"),
        ("https://@example.com/", "user name"),
        ("https://example.com:99999/", "not a URL"),
        ("https://example.com:port/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://example.com:25/", "port 25"),
        ("https://example.com:0/", "port 0"),
        ("https://exam\tple.com/", "control"),
        ("https://example.com/a\r\nb", "control"),
        ("https://example.com/" + "a" * LONGEST, "2,000"),
    ],
)
def test_what_is_no_address_is_refused_with_the_remedy(url: str, part: str) -> None:
    with pytest.raises(ValueError, match=part) as refused:
        normalize(url)
    assert ": " in str(refused.value)
    assert "secret" not in str(refused.value)


@given(
    st.text() | st.text().map(lambda text: f"https://{text}") | st.text().map(lambda text: f"http://a.example/{text}")
)
def test_any_text_is_normalized_for_good_or_refused(text: str) -> None:
    try:
        normal = normalize(text)
    except ValueError as error:
        assert ": " in str(error)  # noqa: PT017 - most texts are refused, some are not
        return
    assert normalize(normal) == normal
