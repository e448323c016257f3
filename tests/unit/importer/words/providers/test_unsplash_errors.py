"""What Unsplash's refusals mean, and that none of them quotes the key."""

from __future__ import annotations

import pytest

from heliograph_common.errors import HeliographError
from heliograph_importer.words.providers.port import KeyRefused, Missing, ProviderFailed, RateLimited, Rejected
from heliograph_importer.words.providers.unsplash_errors import refusal

KEY = "the-secret-key"
ERRORS = b'{"errors": ["OAuth error: the-secret-key is invalid"]}'
PAGE = b"<!doctype html><h1>the-secret-key</h1>"
LIMIT = b"Rate Limit Exceeded"
NONE_LEFT = {"x-ratelimit-remaining": "0"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (401, {}, ERRORS, KeyRefused),
        (401, {}, PAGE, KeyRefused),
        (403, {}, LIMIT, RateLimited),
        (403, NONE_LEFT, PAGE, RateLimited),
        (403, NONE_LEFT, ERRORS, RateLimited),
        (403, {"x-ratelimit-remaining": "7"}, ERRORS, ProviderFailed),
        (403, {}, PAGE, ProviderFailed),
        (429, {}, b"", RateLimited),
        (404, {}, ERRORS, Missing),
        (404, {}, PAGE, ProviderFailed),
        (410, {}, ERRORS, Missing),
        (400, {}, ERRORS, Rejected),
        (422, {}, ERRORS, Rejected),
        (400, {}, PAGE, ProviderFailed),
        (301, {}, b"", ProviderFailed),
        (500, {}, ERRORS, ProviderFailed),
        (503, {}, b"[" * 60_000, ProviderFailed),
        (520, {}, b"\xff\xfe", ProviderFailed),
    ],
)
def test_the_meaning_of_a_status(
    status: int, headers: dict[str, str], body: bytes, kind: type[HeliographError]
) -> None:
    error = refusal(status, headers, body, KEY)
    assert type(error) is kind
    assert KEY not in f"{error!r}{error}"


@pytest.mark.parametrize(
    ("told", "delay"),
    [("1800", 1800), ("1e9", 3600), ("inf", 900), ("nan", 900), ("-5", 900), ("soon", 900), ("", 900)],
)
def test_how_long_a_limit_is_believed(told: str, delay: float) -> None:
    error = refusal(403, {"retry-after": told}, LIMIT, KEY)
    assert isinstance(error, RateLimited)
    assert error.delay == delay
