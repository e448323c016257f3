"""What a URL may be, and where a redirect may lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.outbound.errors import RedirectRefused, UrlRefused
from heliograph_common.outbound.targets import LONGEST, read


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("ftp://example.com/a.jpg", "http"),
        ("file:///etc/passwd", "http"),
        ("gopher://example.com/", "http"),
        ("//example.com/a.jpg", "http"),
        ("example.com/a.jpg", "http"),
        ("", "http"),
        ("https://user@example.com/a.jpg", "user name"),
        ("https://user:secret@example.com/", "password"),
        ("https://:secret@example.com/", "password"),
        ("http:///a.jpg", "host"),
        ("http://./", "host"),
        ("http://ex ample/", "host"),
        ("http://%31%32%37.0.0.1/", "host"),
        ("http://[fe80::1%25eth0]/", "host"),
        ("http://①②⑦.⓪.⓪.①/", "URL"),
        ("http://[::1/", "URL"),
        ("http://example.com:port/", "URL"),
        ("http://exam\tple.com/", "URL"),
        ("http://example.com\r\nX: y/", "URL"),
        ("http://example.com:25/", "port 25"),
        ("http://example.com:22/", "port 22"),
        ("http://example.com:0/", "port 0"),
        ("http://example.com:65536/", "port 65536"),
        ("http://example.com/" + "a" * LONGEST, "longer"),
    ],
)
def test_what_may_not_be_requested_is_refused_with_the_remedy(url: str, part: str) -> None:
    with pytest.raises(UrlRefused, match=part) as refused:
        read(url)
    assert "secret" not in str(refused.value)
    assert ": " in str(refused.value)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://example.com", "example.com", b"/"),
        ("HTTPS://EXAMPLE.com:443/a%20b?c=d#e", "example.com", b"/a%20b?c=d"),
        ("http://example.com:8080/", "example.com:8080", b"/"),
        ("https://example.com:80/", "example.com:80", b"/"),
        ("http://example.com./", "example.com", b"/"),
        ("http://bücher.example/ü b", "xn--bcher-kva.example", b"/%C3%BC%20b"),
        ("http://例え.テスト/画像.png", "xn--r8jz45g.xn--zckzah", b"/%E7%94%BB%E5%83%8F.png"),
        ("http://[::ffff:127.0.0.1]/", "[::ffff:127.0.0.1]", b"/"),
        ("http://[2606:4700::1]:8080/", "[2606:4700::1]:8080", b"/"),
        ("http://2130706433/", "2130706433", b"/"),
        ("http://0x7f.1/", "0x7f.1", b"/"),
    ],
)
def test_a_url_says_what_is_sent(url: str, authority: str, path: bytes) -> None:
    target = read(url)
    assert (target.authority, target.path) == (authority, path)


def test_messages_do_not_have_the_query() -> None:
    assert read("https://example.com/a.jpg?signature=secret").shown == "https://example.com/a.jpg"


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b.jpg", "https://example.com/b.jpg"),
        ("b.jpg?x", "https://example.com/a/b.jpg?x"),
        ("//other.example/", "https://other.example/"),
        ("https://other.example:8443/ü", "https://other.example:8443/%C3%BC"),
    ],
)
def test_a_redirect_leads_on(location: str, leads_to: str) -> None:
    assert str(read("https://example.com/a/a.jpg").redirected(location).url) == leads_to


@pytest.mark.parametrize(
    "location",
    [
        "http://example.com/a.jpg", "ftp://example.com/", "file:///etc/passwd", "https://user@example.com/",
        "https://example.com:22/", "https://[::1", "data:image/png;base64,AAAA", "https://exa\x00mple.com/",
    ],
)  # fmt: skip
def test_a_redirect_to_what_may_not_be_requested_is_refused(location: str) -> None:
    with pytest.raises(RedirectRefused):
        read("https://example.com/a.jpg?secret").redirected(location)


@given(
    st.text() | st.text().map(lambda text: f"http://{text}") | st.text().map(lambda text: f"http://a.example/{text}")
)
def test_any_text_is_a_target_or_refused(text: str) -> None:
    try:
        target = read(text)
    except UrlRefused:
        return
    target.authority.encode("ascii")
    assert b"\n" not in target.path
    assert b" " not in target.path


@given(st.text())
def test_any_location_is_followed_or_refused(location: str) -> None:
    try:
        target = read("https://example.com/a.jpg").redirected(location)
    except RedirectRefused:
        return
    assert target.scheme == "https"
