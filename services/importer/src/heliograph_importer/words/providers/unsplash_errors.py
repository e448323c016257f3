"""What Unsplash's refusals mean. Pure.

Its errors are ``{"errors": ["…"]}``. A rate limit is a 403 with the text "Rate Limit Exceeded" and no JSON at all, which a
refused permission and a firewall's page are too: ``X-Ratelimit-Remaining`` tells them apart. Only a 401 is about the key:
what one request is refused by a 403 says nothing of the others, so it is a failure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from heliograph_common.errors import HeliographError
from heliograph_common.excerpts import excerpt
from heliograph_common.http.retry_after import seconds_told
from heliograph_importer.words.providers.port import KeyRefused, Missing, ProviderFailed, RateLimited, Rejected

GONE = 410
_LONGEST_DELAY = 3_600.0
"""Seconds; the limit is one of each hour."""
UNTIL_RESET = 900.0
"""Seconds to wait where it does not say how long: each request before the hour is over would be for nothing."""
_LIMITED = "rate limit"
_REQUEST_IS_WRONG = frozenset({400, 405, 413, 414, 422, 431})


class _Body(msgspec.Struct):
    errors: list[str]


def refusal(status: int, headers: Mapping[str, str], body: bytes, key: str) -> HeliographError:
    """The error that an answer other than 200 means. ``key`` is kept out of it, which a server may quote."""
    said = _said(body)
    text = excerpt((said or "without a reason").replace(key, "…"))
    if status == 429 or (status == 403 and _is_limit(headers, body)):
        return RateLimited("Unsplash wants no more requests for now: wait", delay=_delay(headers) or UNTIL_RESET)
    if status == 401:
        return KeyRefused(
            f"Unsplash does not accept the access key ({text}): have an administrator replace "
            "HELIOGRAPH_UNSPLASH__ACCESS_KEY"
        )
    if said is not None and status in {404, GONE}:
        return Missing(f"Unsplash has no such photo ({text}): choose another")
    if said is not None and status in _REQUEST_IS_WRONG:
        return Rejected(f"Unsplash refuses the request ({text}): change the word's text")
    return ProviderFailed(f"Unsplash answered {status} ({text}): try again later", delay=_delay(headers))


def _is_limit(headers: Mapping[str, str], body: bytes) -> bool:
    return none_left(headers) or _LIMITED in body[:1_000].decode(errors="replace").lower()


def none_left(headers: Mapping[str, str]) -> bool:
    """Whether the answer was the last of the hour."""
    return headers.get("x-ratelimit-remaining", "").strip() == "0"


def _delay(headers: Mapping[str, str]) -> float | None:
    seconds = seconds_told(headers.get("retry-after", "")) if headers.get("retry-after") else None
    return None if seconds is None or not math.isfinite(seconds) else min(max(seconds, 0.0), _LONGEST_DELAY)


def _said(body: bytes) -> str | None:
    """What Unsplash says about it; ``None``: the answer is none of its own."""
    try:
        return " ".join(" ".join(msgspec.json.decode(body, type=_Body).errors).split())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
