"""Strong entity tags and the conditions that name them (RFC 9110, 8.8.3 and 13.1). Pure."""

from __future__ import annotations

import hashlib


def etag(body: bytes) -> str:
    """The strong entity tag (RFC 9110, 8.8.3) of a representation's bytes."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches(header: str, tag: str, *, weak: bool) -> bool:
    """Whether ``If-None-Match`` (weak comparison) or ``If-Match`` (strong) names ``tag`` or is ``*``."""
    if header.strip() == "*":
        return True
    for candidate in header.split(","):
        stripped = candidate.strip()
        if (stripped.removeprefix("W/") if weak else stripped) == tag:
            return True
    return False
